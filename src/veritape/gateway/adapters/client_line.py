"""A client's connection as its requests need it, and the heads of requests as the connection knows them (GW-551, GW-554)."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from veritape.gateway.adapters.client import Client
from veritape.gateway.adapters.flow import Flow
from veritape.gateway.answers import Call
from veritape.gateway.remembered import Remembered

KNOWN_HEADS: Final = 1_024
"""Heads that are remembered, at most 8 KiB each with what they say; at the bound all are forgotten."""

KNOWN_BYTES: Final = 2_048
"""Longest of them."""

WAYS: Final = 4_096
"""Straight ways of all heads, some 3 KiB each: clients behind different addresses may send the same bytes, an account's many machines or those
behind a proxy. At the bound the one found first is forgotten."""

From = tuple[str | None, str]
"""The address at the other end, None on a unix socket, and the scheme."""


class Ended(Protocol):
    """What a connection asks of a request whose answer is complete."""

    @property
    def closes(self) -> bool:
        """Tell whether the connection ends after it."""
        ...

    @property
    def is_shed(self) -> bool:
        """Tell whether it was refused because we are too busy."""
        ...

    @property
    def was_asked(self) -> bool:
        """Tell whether the client was told to send the body that it announced."""
        ...


class Line(Protocol):
    """What a request asks of its connection."""

    @property
    def transport(self) -> asyncio.Transport:
        """Return where the answer is written."""
        ...

    @property
    def flow(self) -> Flow:
        """Return who waits for whom."""
        ...

    @property
    def peer(self) -> tuple[str, int] | None:
        """Return the client's address and port; None on a unix socket."""
        ...

    @property
    def origin(self) -> From:
        """Return where its requests come from."""
        ...

    def dated(self) -> bytes:
        """Return the lines that every answer has: the date."""
        ...

    def learn_way(self, head: "Head", way: "Straight") -> None:
        """Remember how requests with a head go straight from this end."""
        ...

    def turn_over(self, turn: Ended) -> None:
        """Go on: the turn's answer is complete."""
        ...

    def passage_over(self, *, is_shed: bool = False) -> None:
        """Go on: the answer of the request on the straight way is complete; it may be a refusal because we are too busy."""
        ...

    def take_over(self, head: "Head", serve: Callable[[Client], Awaitable[None]]) -> None:
        """Serve a request that left the straight way, from here on as a turn."""
        ...


class Underway(Protocol):
    """A request on the straight way, as its connection knows it."""

    def go_over(self) -> None:
        """Leave the straight way: the connection gets a turn in its place."""
        ...


class Straight(Protocol):
    """The straight way of requests with one head from one address, once it is known (``straight_way``)."""

    @property
    def is_old(self) -> bool:
        """Tell whether it has to be found anew."""
        ...

    def begin(self, line: Line) -> Underway | None:
        """Begin a request; None when it has to go the ordinary way or be refused, and then nothing has changed."""
        ...

    def refuse(self, line: Line) -> bool:
        """Refuse a request that did not begin, if there is no room for it; False when the ordinary way has to see to it."""
        ...


@dataclass(slots=True, eq=False)
class Head:
    """What the head of a request says. Requests with the same head share one: it holds what follows from that head."""

    call: Call
    version: str
    """``1.0`` or ``1.1``."""
    length: int | None
    """Of its body; None when it is chunked."""
    keeps: bool
    """Another request may follow."""
    asks: bool
    """The client waits to be asked for the body."""
    came_again: bool = False
    """The same bytes came before."""
    straight: dict[From, Straight] = field(default_factory=dict)
    """How requests with this head go straight; ``KnownHeads`` bounds how many there are."""


class KnownHeads(Remembered[bytes, Head]):
    """Heads of requests without a body, as they came -> what they say. Who asks again asks with the same bytes."""

    def __init__(self) -> None:
        super().__init__(KNOWN_HEADS)
        self._straight: deque[tuple[Head, From]] = deque()
        """Where straight ways are kept, the oldest first."""

    def again(self, octets: bytes) -> Head | None:
        """Return what bytes say that were remembered."""
        head = self.get(octets)
        if head is not None:
            head.came_again = True
        return head

    def learn(self, octets: bytes, head: Head) -> None:
        """Remember what a head says that came as a whole and has no body: the parser need not read it again."""
        if head.length == 0 and len(octets) <= KNOWN_BYTES:
            if len(self) >= self.limit:
                self._straight.clear()
            self.keep(octets, head)

    def learn_way(self, head: Head, origin: From, way: Straight) -> None:
        """Remember how requests with a head go straight from somewhere."""
        if origin not in head.straight:
            if len(self._straight) >= WAYS:
                oldest, place = self._straight.popleft()
                del oldest.straight[place]
            self._straight.append((head, origin))
        head.straight[origin] = way
