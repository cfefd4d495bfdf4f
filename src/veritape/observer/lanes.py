"""Who gets the next permit: lanes in strict order, none of which starves (OB-257).

Within a lane first come, first served. A lane whose head has waited five seconds gets the next permit, once: its next
favour comes five seconds later at the earliest, so that a long queue of low rank cannot take over.
"""

from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from veritape.kernel.clock import NANOSECONDS
from veritape.kernel.errors import UnavailableError
from veritape.observer.pacing import PacingReason

STARVING_NS: Final = 5 * NANOSECONDS
"""A lane that waited this long gets the next permit."""

ROOM: Final = 10_000
"""Callers that may wait; one more is refused."""


class Lane(IntEnum):
    """Purposes of a call, by falling rank."""

    TOKEN = 0
    """Access tokens and approval keys."""
    ANCHOR = 1
    """Sweeps after the close, and the tails that they leave."""
    SWEEP = 2
    """Sweeps of the universe."""
    BASELINE = 3
    """One quote when a code is subscribed."""
    TRIGGER = 4
    """Rankings."""
    BACKFILL = 5
    """Trades and bars that are fetched afterwards."""
    BULK = 6
    """Anything that has time."""


@dataclass(eq=False)
class Ticket:
    """One caller who waits."""

    lane: Lane
    entered_ns: int
    """Monotonic."""
    gone: bool = False
    """Whether the caller gave up."""


class LaneFigures(NamedTuple):
    """What a lane shows of itself (OB-260)."""

    waiting: int
    """Callers that wait now."""
    served: int
    """Callers that got a permit."""
    delayed: int
    """Those of them that had to wait."""
    waited_ns: int
    """Time that those waited together."""


class WaitingRoom:
    """Everybody who waits for a permit in one process."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Ticket]] = {lane: deque() for lane in Lane}
        self._served_ns = dict.fromkeys(Lane, 0)
        self._figures = dict.fromkeys(Lane, LaneFigures(0, 0, 0, 0))
        self._waiting = 0

    def enter(self, lane: Lane, now_ns: int) -> Ticket:
        """Queue a caller.

        Raises:
            UnavailableError: ``pacing_full``.
        """
        if self._waiting >= ROOM:
            raise UnavailableError(
                f"{ROOM:,} calls wait for the broker already: ask again later", PacingReason.PACING_FULL
            )
        ticket = Ticket(lane, now_ns)
        self._lanes[lane].append(ticket)
        self._count(lane, 1)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Let a caller give up."""
        if not ticket.gone:
            ticket.gone = True
            self._count(ticket.lane, -1)

    def head(self, now_ns: int) -> Ticket | None:
        """Return who gets the next permit, None when nobody waits."""
        heads = [queue[0] for queue in self._lanes.values() if self._trim(queue)]
        starving = [head for head in heads if now_ns - self._waiting_since(head) >= STARVING_NS]
        if starving:
            return min(starving, key=self._waiting_since)
        return heads[0] if heads else None

    def served(self, ticket: Ticket, now_ns: int) -> None:
        """Take out the head that got its permit."""
        lane = ticket.lane
        self._lanes[lane].popleft()
        self._served_ns[lane] = now_ns
        self._count(lane, -1)
        waited_ns = max(0, now_ns - ticket.entered_ns)
        before = self._figures[lane]
        self._figures[lane] = before._replace(
            served=before.served + 1,
            delayed=before.delayed + (waited_ns > 0),
            waited_ns=before.waited_ns + waited_ns,
        )

    @property
    def figures(self) -> dict[Lane, LaneFigures]:
        """Return the figures of every lane."""
        return dict(self._figures)

    def _waiting_since(self, head: Ticket) -> int:
        return max(head.entered_ns, self._served_ns[head.lane])

    def _count(self, lane: Lane, change: int) -> None:
        self._waiting += change
        before = self._figures[lane]
        self._figures[lane] = before._replace(waiting=before.waiting + change)

    @staticmethod
    def _trim(queue: deque[Ticket]) -> bool:
        while queue and queue[0].gone:
            queue.popleft()
        return bool(queue)
