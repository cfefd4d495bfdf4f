"""Random histories of callers, network and processes around one limiter, and the broker's own count of arrivals.

The world has one true time. Callers read it late: a stamp handed to the limiter may be old, equal to another, or far
behind, but never ahead of the truth. Requests take any time to arrive and to be answered; a caller may be cancelled
before or after it sent; a process may die with requests under way.
"""

import heapq
import random
from bisect import bisect_right
from dataclasses import dataclass, field

from veritape.observer.lanes import Lane, Ticket, WaitingRoom
from veritape.observer.pacing import CALL_NS, Pace, Permit
from veritape.observer.pacing_page import decode_page, encode_page

SECOND = 1_000_000_000
BOOT = bytes(16)


@dataclass
class Arrival:
    """One request as the broker saw it."""

    at_ns: int
    granted_ns: int
    permits: int
    """N when it was granted."""
    answered: bool


@dataclass
class World:
    """One history."""

    seed: int
    requests: int = 24
    limiter: type[Pace] = Pace
    through_the_page: bool = False
    """Whether the state goes through the page's bytes between two steps, as between two processes."""
    arrivals: list[Arrival] = field(default_factory=list)
    dead: set[int] = field(default_factory=set)
    cancelled: int = 0

    def play(self) -> None:
        """Let it happen."""
        self.chance = random.Random(self.seed)
        self.now = self.chance.randrange(1, SECOND)
        self.pace = self.limiter(self.chance.randint(1, 20), spacing=self.chance.random() < 0.7)
        self.rooms = {1: WaitingRoom(), 2: WaitingRoom()}
        self.events: list[tuple[int, int, int, Permit]] = []
        self.steps, self.left = 0, self.requests
        self.slow = self.chance.choice((SECOND // 50, SECOND // 3, 3 * SECOND))
        self.refusing = self.chance.random() < 0.3
        while self.left or self.events:
            self._settle()
            holder = self.chance.choice((1, 2))
            if self.left and holder not in self.dead:
                self._ask(holder)
            elif not self.events:
                self.now += SECOND
            if self.left and not self.dead and self.chance.random() < 0.005:
                self.dead.add(holder)
        self.arrivals.sort(key=lambda one: one.at_ns)

    def largest_excess(self) -> int:
        """Return by how many answered requests a window's count most exceeds the N under which its last was granted."""
        stamps = [one.at_ns for one in self.arrivals if one.answered]
        answered = [one for one in self.arrivals if one.answered]
        worst = -SECOND
        for one in answered:
            first = bisect_right(stamps, one.at_ns - SECOND)
            window = answered[first : bisect_right(stamps, one.at_ns)]
            newest = max(window, key=lambda request: request.granted_ns)
            worst = max(worst, len(window) - newest.permits)
        return worst

    def _stamp(self) -> int:
        """Return what a caller believes the time is: true, stale, or of long ago."""
        kind = self.chance.random()
        if kind < 0.6:
            return self.now
        return max(0, self.now - (self.chance.randrange(SECOND) if kind < 0.9 else 100 * SECOND))

    def _ask(self, holder: int) -> None:
        room = self.rooms[holder]
        if room.head(0) is None or self.chance.random() < 0.3:
            room.enter(self.chance.choice((Lane.ANCHOR, Lane.SWEEP, Lane.BULK)), self.now)
        ticket = room.head(self.now)
        if ticket is None:
            return
        if self.chance.random() < 0.05:
            room.leave(ticket)
            return
        outcome = self.pace.grant(self._stamp(), holder, lambda process, _: process not in self.dead)
        if isinstance(outcome, Permit):
            self._send(holder, ticket, outcome)
        elif not self.events or self.chance.random() < 0.8:
            self.now = max(self.now, min(outcome, self.now + 2 * SECOND))
        if self.through_the_page:
            spacing = self.pace.spacing
            self.pace = decode_page(encode_page(BOOT, self.pace)).pace
            self.pace.spacing = spacing

    def _send(self, holder: int, ticket: Ticket, permit: Permit) -> None:
        self.rooms[holder].served(ticket, self.now)
        if self.chance.random() < 0.1:
            self.cancelled += 1
            self.pace.cancelled(permit)
            return
        self.left -= 1
        stalled = self.chance.randrange(2 * SECOND) if self.chance.random() < 0.1 else 0
        there = stalled + self.chance.choice((1, self.chance.randrange(1, self.slow)))
        back = self.chance.choice((1, self.chance.randrange(1, self.slow), 12 * SECOND))
        end = self.now + min(there + back, CALL_NS)
        self.steps += 1
        answered = there + back < CALL_NS
        self.arrivals.append(Arrival(self.now + there, self.now, self.pace.permits, answered))
        heapq.heappush(self.events, (end, self.steps, holder, permit))

    def _settle(self) -> None:
        """Let answers come in, each perhaps noticed late; the dead notice nothing."""
        if self.chance.random() < 0.3:
            self.now += self.chance.randrange(SECOND // 5)
        if self.events and not self.left:
            self.now = max(self.now, self.events[0][0])
        while self.events and self.events[0][0] <= self.now:
            end, _, holder, permit = heapq.heappop(self.events)
            if holder in self.dead:
                continue
            stamp = self.chance.randint(end, self.now)
            if self.refusing and self.chance.random() < 0.2:
                self.pace.refused(permit, stamp)
            self.pace.answered(permit, stamp)
