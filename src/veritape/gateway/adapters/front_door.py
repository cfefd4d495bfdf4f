"""The gateway's door: who may connect, and what is answered to bytes that are no request (GW-551, GW-553)."""

from typing import Final

from veritape.gateway.adapters.application import Gateway
from veritape.gateway.adapters.gate import peer_address
from veritape.gateway.answers import Answer, problem_answer
from veritape.gateway.doors import Doors
from veritape.gateway.problems import RefusedError


class FrontDoor:
    """The door of a gateway: refusals are counted like any other answer."""

    answers_within: Final = True
    """A request in progress answers the refusal of its own bytes, because it may be charged."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._doors = Doors(lambda: gateway.gate.policy.addresses)

    def enter(self, host: str | None) -> str | None:
        """Let a connection in and return its group; None when it must stay out."""
        return self._doors.enter(peer_address(host))

    def leave(self, group: str) -> None:
        """Count a connection out."""
        self._doors.leave(group)

    def refuse(self, refusal: RefusedError, host: str | None) -> Answer:
        """Return the answer to bytes that are no request, and count it."""
        return self._gateway.refuse_bytes(refusal, host)


class OpenDoor:
    """The door of a listener that only its operator reaches."""

    answers_within: Final = False
    """Refused bytes are answered at once; what acts on whole bodies only sees that its client left."""

    def enter(self, host: str | None) -> str | None:
        """Let everybody in."""
        return host or ""

    def leave(self, group: str) -> None:
        """Let everybody out."""

    def refuse(self, refusal: RefusedError, host: str | None) -> Answer:
        """Return the answer to bytes that are no request."""
        del host
        return problem_answer(refusal, "", None)
