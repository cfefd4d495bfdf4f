"""A worker's side of a lease: units taken from the shared store beforehand, spent without asking (GW-301 to 309).

Held units still occupy the bucket in the store, so spending them late or never keeps the bound exact. A lease is valid for
98 % of what the store said, counted from before it was asked: clocks may differ by less than that in rate.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

VALID_PERCENT: Final = 98
"""Share of a lease's validity that is used: clock rates differ by less than the rest."""

USE_US: Final = 100_000
"""Time over which use is measured, and how soon a busy worker asks for as much again."""

IDLE_US: Final = 200_000
"""Unused for so long, a lease is given back."""

RECALLED_US: Final = 50_000
"""Within this time a holder gives back what it does not need, when others are refused for it."""


ANSWERS_AHEAD: Final = 2
"""Times that an answer takes for which a lease has to last when it is looked at: until the next look, and until the answer to it."""


class LeaseRule(NamedTuple):
    """A tier's lease."""

    most_mu: int
    """Most that one worker holds."""
    ttl_us: int
    """Longest validity."""
    all_most_mu: int
    """Most that all workers hold: a fraction of the burst."""


class Errand(StrEnum):
    """What a worker should ask the store for a subject."""

    NONE = "none"
    """Nothing."""
    RENEW = "renew"
    """Report and take more."""
    RETURN = "return"
    """Report and give the rest back."""


@dataclass
class Holding:
    """One subject's lease at one worker; every method takes the monotonic clock."""

    rule: LeaseRule
    held_mu: int = 0
    """What may still be spent."""
    spent_mu: int = 0
    """Spent since the last report."""
    until_us: int = 0
    """The lease is not used from here on."""
    granted_mu: int = 0
    """What the last answer left us with."""
    recalled: bool = False
    """Others are refused because of leases."""
    slots: int = 0
    """Requests that may be in progress under the lease."""
    slots_used: int = 0
    """Requests that are."""
    answer_us: int = 0
    """What the last renewal took, from our question on; a busy worker takes most of it itself."""
    reported_us: int = 0
    """When we asked last."""
    _uses: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=4_096))

    def spend(self, cost_mu: int, now_us: int, *, with_slot: bool) -> bool:
        """Spend units, and a slot if one is needed, when the lease holds them; note the use in any case."""
        self._uses.append((now_us, cost_mu))
        if now_us >= self.until_us or cost_mu > self.held_mu:
            return False
        if with_slot:
            if self.slots_used >= self.slots:
                return False
            self.slots_used += 1
        self.held_mu -= cost_mu
        self.spent_mu += cost_mu
        return True

    def covers(self, cost_mu: int, now_us: int, *, with_slot: bool) -> bool:
        """Tell whether ``spend`` would find enough."""
        enough = now_us < self.until_us and cost_mu <= self.held_mu
        return enough and not (with_slot and self.slots_used >= self.slots)

    def wanted_mu(self, now_us: int) -> int:
        """Return what to ask for: what was used in the last tenth of a second, 1 unit at least, the most at most."""
        while self._uses and self._uses[0][0] <= now_us - USE_US:
            self._uses.popleft()
        used_mu = sum(cost_mu for _, cost_mu in self._uses)
        return max(1_000, min(used_mu, self.rule.most_mu))

    def errand(self, now_us: int) -> Errand:
        """Return what to do now."""
        last_us = self._uses[-1][0] if self._uses else 0
        idle_us = now_us - last_us
        if self.slots_used and now_us + USE_US >= self.until_us:
            return Errand.RENEW  # the slots of requests in progress must not end before these
        if self.granted_mu and not self.slots_used and idle_us >= (RECALLED_US if self.recalled else IDLE_US):
            return Errand.RETURN
        busy = self.granted_mu or (len(self._uses) > 1 and now_us - self._uses[-2][0] < USE_US)
        if busy and idle_us < USE_US and (now_us >= self.until_us or self._runs_out(now_us)):
            return Errand.RENEW
        return Errand.NONE

    def _runs_out(self, now_us: int) -> bool:
        """Tell whether a quarter is left, or no more than is used until the next look and until an answer then.

        Both take one turn of a busy worker's loop or two: more than a quarter may last.
        """
        soon_us = ANSWERS_AHEAD * self.answer_us
        return (
            4 * self.held_mu <= self.granted_mu
            or self.held_mu * (now_us - self.reported_us) < self.spent_mu * soon_us
        )

    def is_idle(self, now_us: int) -> bool:
        """Tell whether nobody asked for the subject lately."""
        return not self._uses or now_us - self._uses[-1][0] >= IDLE_US

    def take_report(self, now_us: int) -> int:
        """Return what was spent since the last report; it counts as reported."""
        spent_mu, self.spent_mu, self.reported_us = self.spent_mu, 0, now_us
        return spent_mu

    def granted(
        self, held_mu: int, slots: int, valid_us: int, asked_us: int, now_us: int, *, recalled: bool
    ) -> None:
        """Take an answer: what the store says we hold, less what was spent while it was on its way.

        Args:
            held_mu: by the store's account at the time of its answer.
            slots: that the lease has now.
            valid_us: from then on.
            asked_us: our clock before the call was sent.
            now_us: our clock.
            recalled: others are refused because of leases.
        """
        self.granted_mu, self.answer_us = held_mu, now_us - asked_us
        self.held_mu = max(0, held_mu - self.spent_mu)
        self.until_us = asked_us + valid_us * VALID_PERCENT // 100
        self.recalled, self.slots = recalled, slots

    def lost(self) -> None:
        """Hold nothing: the lease ended, or the store did not answer."""
        self.held_mu = self.granted_mu = self.spent_mu = self.until_us = self.slots = 0
