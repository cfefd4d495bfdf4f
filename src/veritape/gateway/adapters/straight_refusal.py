"""The refusal of a request for which there is no room, straight (GW-381, GW-507).

Beyond capacity a worker refuses as often as it serves, and whatever a refusal takes is taken from who is served. What a refused request
is told follows from its head, but for its id, the seconds until it may come again and the date. So the answer is written once for each number of
seconds, by what writes it on the ordinary way, and cut where the id stands. Neither turn nor way nor exception is made.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from veritape.gateway.access_lines import Access
from veritape.gateway.adapters.client_line import Line
from veritape.gateway.adapters.gate import Gate
from veritape.gateway.adapters.policy_memory import Origin
from veritape.gateway.adapters.random_bytes import RandomBytes
from veritape.gateway.adapters.target_pool import TargetPool
from veritape.gateway.adapters.turn import STATUS_LINES
from veritape.gateway.adapters.visit import Visit
from veritape.gateway.addresses import Address
from veritape.gateway.answers import header_lines, problem_answer
from veritape.gateway.overload import retry_after_s
from veritape.gateway.policy import Policy, Route
from veritape.gateway.problems import PLACE, RefusedError
from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.gateway.request_ids import request_id

_STATUS: Final = PROBLEMS[Reason.OVERLOADED].status
_PLACE: Final = PLACE.encode()


class Refusing(Protocol):
    """The ordinary way: what its refusals need of it."""

    gate: Gate
    random: RandomBytes
    in_flight: int

    def report(self, access: Access, /) -> None:
        """Take a finished request."""
        ...


class Refusable(NamedTuple):
    """What requests are refused of."""

    method: str
    route: Route
    address: Address | None
    origin: Origin
    own_lines: bytes
    """That answers to them have beside those of id and rate."""


class StraightRefusal:
    """What requests with one head from one address are told when there is no room for them."""

    def __init__(self, ordinary: Refusing, policy: Policy, target: TargetPool, one: Refusable) -> None:
        """Write nothing yet: most heads are never refused.

        Args:
            ordinary: the way that defines this one.
            policy: under which it holds.
            target: the only one of the route.
            one: what the requests have in common.
        """
        self._ordinary, self._gate, self._policy, self._target = ordinary, ordinary.gate, policy, target
        self._method, self._route, self._address, self._origin, self._own_lines = one
        self._pieces: dict[int, Sequence[bytes]] = {}
        """Seconds -> the answer behind its date, cut where the id stands."""

    @property
    def is_shed(self) -> bool:
        """Tell whether the ladder has no room for one more."""
        overload, most, in_flight = (
            self._gate.overload,
            self._policy.in_flight_max,
            self._ordinary.in_flight + 1,
        )
        return overload.sheds(in_flight, most, essential=self._route.essential)

    def give(self, line: Line) -> bool:
        """Refuse a request if there is no room for it, here or at the target; False when the ordinary way would not, or not for this."""
        gate, clock = self._gate, self._gate.clock
        if gate.policy is not self._policy or not (
            self.is_shed or (self._target.is_full and not self._route.essential)
        ):
            return False
        began_ns = clock.monotonic_ns()
        if gate.guard.wait_s(self._origin.group, self._policy.addresses.guard, began_ns // 1_000):
            return False
        identifier = request_id(None, clock.wall_ns(), self._ordinary.random.take())
        line.transport.write(self._answer(identifier, line.dated()))
        line.passage_over(is_shed=True)
        visit = Visit(identifier, self._address, self._route, began_ns=began_ns)
        now_ns, kind = clock.monotonic_ns(), self._policy.store.kind
        self._ordinary.report(
            visit.access(self._method, self._route.name, _STATUS, Reason.OVERLOADED, now_ns, kind)
        )
        return True

    def _answer(self, identifier: str, dated: bytes) -> bytes:
        """Return the whole answer to a request with an id of ours: all are of one length."""
        seconds, octets = retry_after_s(identifier), identifier.encode()
        pieces = self._pieces.get(seconds)
        if pieces is None:
            pieces = self._pieces[seconds] = self._written(seconds, len(octets))
        return b"%b%b%b" % (STATUS_LINES[_STATUS], dated, octets.join(pieces))

    def _written(self, seconds: int, size: int) -> Sequence[bytes]:
        refusal = RefusedError(Reason.OVERLOADED, fields={"Retry-After": str(seconds)})
        answer = problem_answer(refusal, PLACE, None)
        length = len(answer.body) + answer.body.count(_PLACE) * (size - len(_PLACE))
        lines = header_lines([(name.lower().encode(), value.encode()) for name, value in answer.fields])
        head = b"%bx-request-id: %b\r\n%bcontent-length: %d\r\n\r\n" % (
            lines,
            _PLACE,
            self._own_lines,
            length,
        )
        return (head + answer.body).split(_PLACE)
