"""The store of one process: states in a dict, decided by ``quota`` (GW-251 to 253).

Months come from the ledger at the start. Buckets too: an account that was charged before the restart begins with the debt
of what its last time-to-full brought, so a killed gateway never over-admits and under-admits at most one burst.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from veritape.gateway import quota
from veritape.gateway.quota import EMPTY, MICROSECONDS, Bucket, Decision, Limits, Rule, State

SUBJECTS_LIMIT: Final = 1_000_000
"""Subjects in memory (GW-252)."""

EVICTION_SCAN: Final = 64
"""Subjects, least recently used first, among which one without debt is looked for."""

SLOT_GRACE_US: Final = 5 * MICROSECONDS
"""A slot is free this long after its route's timeout, whatever became of its request (GW-210)."""


UNLIMITED: Final = Limits()
"""No limit applies."""


class Charge(NamedTuple):
    """Units charged in one second before the start, from the ledger."""

    at_us: int
    """Wall clock, microseconds."""
    units_mu: int


class Past(NamedTuple):
    """What a restarted store knows of a subject."""

    charges: Sequence[Charge]
    wall_us: int
    """Wall clock at the restart."""


@dataclass
class _Subject:
    minute: Bucket = EMPTY
    hour: Bucket = EMPTY
    limits: Limits = UNLIMITED


@dataclass
class MemoryStore:
    """Counters of one gateway process. Not for several: each would admit the whole limit."""

    months: dict[tuple[str, str], int] = field(default_factory=dict)
    """(subject, period) -> mu used."""
    past: dict[str, Past] = field(default_factory=dict)
    """Subject -> its charges before the start; taken when the subject is first seen."""
    subjects_limit: int = SUBJECTS_LIMIT
    subjects_evicted: int = 0
    """Subjects forgotten at the bound."""
    _subjects: OrderedDict[str, _Subject] = field(default_factory=OrderedDict)
    _slots: dict[str, dict[int, int]] = field(default_factory=dict)
    _last_slot: int = 0

    def decide(
        self, subject: str, limits: Limits, cost_mu: int, now_us: int, wall_us: int,
        policy_version: int, slot_us: int = 60 * MICROSECONDS,
    ) -> tuple[Decision, int]:  # fmt: skip
        """Decide and charge.

        Args:
            subject: ``account:env`` or ``ip:class:prefix``.
            limits: what applies to it.
            cost_mu: above 0.
            now_us: monotonic clock.
            wall_us: wall clock, for the month.
            policy_version: noted in the decision.
            slot_us: the route's timeout.

        Returns:
            the decision and the slot to release, 0 when refused.
        """
        found = self._subject(subject, limits, now_us)
        found.limits = limits
        period = quota.month_of(wall_us).period
        slots = self._living_slots(subject, now_us)
        state = State(found.minute, found.hour, self.months.get((subject, period), 0), len(slots))
        after, decision = quota.evaluate(limits, state, cost_mu, now_us, wall_us, policy_version)
        if not decision.admitted:
            return decision, 0
        found.minute, found.hour = after.minute, after.hour
        self.months[subject, period] = after.used_mu
        self._last_slot += 1
        self._slots.setdefault(subject, {})[self._last_slot] = now_us + slot_us + SLOT_GRACE_US
        return decision, self._last_slot

    def begin(self, subject: str, limits: Limits, minute: Bucket, hour: Bucket) -> None:
        """Give a subject that is new here the state that another store knew of it."""
        if subject not in self._subjects:
            self._subjects[subject] = _Subject(minute, hour, limits)

    def release_slot(self, subject: str, slot: int) -> None:
        """Free a slot once its response has ended; freeing it twice changes nothing."""
        slots = self._slots.get(subject)
        if slots is not None:
            slots.pop(slot, None)
            if not slots:
                del self._slots[subject]

    def refund(self, subject: str, period: str, units_mu: int) -> None:
        """Give units back to a month, never tokens (GW-216); ``used`` does not become negative."""
        self.months[subject, period] = max(0, self.months.get((subject, period), 0) - units_mu)

    def status(self, subject: str, limits: Limits, now_us: int, wall_us: int) -> State:
        """Return what is owed, used and in progress now; nothing changes."""
        found = self._subjects.get(subject, _Subject())
        return State(
            _decayed(found.minute, limits.minute, now_us),
            _decayed(found.hour, limits.hour, now_us),
            self.months.get((subject, quota.month_of(wall_us).period), 0),
            len(self._living_slots(subject, now_us)),
        )

    def reset(self, subject: str) -> None:
        """Forgive what a subject owes; the month stays (GW-212)."""
        self._subjects.pop(subject, None)
        self.past.pop(subject, None)

    def health(self) -> bool:
        """Tell whether the store decides: memory always does."""
        return True

    def sweep_slots(self, now_us: int) -> None:
        """Free the slots whose deadline is over."""
        for subject in list(self._slots):
            self._living_slots(subject, now_us)

    def _subject(self, subject: str, limits: Limits, now_us: int) -> _Subject:
        found = self._subjects.get(subject)
        if found is not None:
            self._subjects.move_to_end(subject)
            return found
        if len(self._subjects) >= self.subjects_limit:
            self._evict(now_us)
        past = self.past.pop(subject, None)
        found = _Subject()
        if past is not None:
            found.minute = _restored(past, limits.minute, now_us)
            found.hour = _restored(past, limits.hour, now_us)
        self._subjects[subject] = found
        return found

    def _evict(self, now_us: int) -> None:
        """Forget a subject that owes nothing, else the least recently used."""
        oldest = list(islice(self._subjects.items(), EVICTION_SCAN))
        idle = (subject for subject, found in oldest if not _owes(found, now_us))
        del self._subjects[next(idle, oldest[0][0])]
        self.subjects_evicted += 1

    def _living_slots(self, subject: str, now_us: int) -> Mapping[int, int]:
        slots = self._slots.get(subject)
        if not slots:
            return {}
        for slot in [slot for slot, end_us in slots.items() if end_us <= now_us]:
            self.release_slot(subject, slot)
        return slots


def _owes(found: _Subject, now_us: int) -> bool:
    buckets = ((found.minute, found.limits.minute), (found.hour, found.limits.hour))
    return any(_decayed(bucket, rule, now_us).debt for bucket, rule in buckets)


def _decayed(bucket: Bucket, rule: Rule | None, now_us: int) -> Bucket:
    if rule is None or bucket == EMPTY:
        return EMPTY
    return Bucket(*quota.decay(bucket, rule, now_us), rule.weight)


def _restored(past: Past, rule: Rule | None, now_us: int) -> Bucket:
    """Return the bucket of GW-253: at most a burst, of what was charged within the last time-to-full."""
    if rule is None:
        return EMPTY
    since_us = past.wall_us - rule.full_after_us
    units_mu = sum(charge.units_mu for charge in past.charges if charge.at_us + MICROSECONDS >= since_us)
    return Bucket(min(rule.burst_mu, units_mu) * rule.weight, now_us, rule.weight)
