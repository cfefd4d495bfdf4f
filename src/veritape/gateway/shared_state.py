"""What a store shared by several processes holds of a subject, and what one call does to it (GW-255, GW-257).

These functions define what the Redis scripts do: both get the same state, call and clock and must come to the same state
and answer. A call reads everything, lets go what is past its end, decides with ``quota.evaluate``, and writes all or
nothing. The month is a sum of one field per boot, each written by that boot alone, so that a lost or repeated call heals:
the caller always says what it surely charged, and its field is raised to that.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from veritape.gateway import quota
from veritape.gateway.quota import EMPTY, MICROSECONDS, Bucket, Decision, Limits, Rule, State

BACK_LIMIT_US: Final = 5 * MICROSECONDS
"""A store clock that went back further than this begins anew from where it is (GW-207)."""


class Lease(NamedTuple):
    """Units that a worker took and may spend without asking."""

    held_mu: int
    end_us: int
    """Store clock at which the rest becomes debt."""


class Month(NamedTuple):
    """Units used in a month."""

    total_mu: int
    shares_mu: Mapping[str, int]
    """Boot -> its share of the total."""


class Subject(NamedTuple):
    """Everything that the store holds of a subject in a month."""

    minute: Bucket = EMPTY
    hour: Bucket = EMPTY
    month: Month | None = None
    """None: the store does not know it, somebody has to bring the sum."""
    slots: Mapping[str, int] = {}
    """Slot -> store clock at which it is free again."""
    leases: Mapping[str, Lease] = {}


class Ask(NamedTuple):
    """One request that asks to be admitted."""

    limits: Limits
    cost_mu: int
    boot: str
    """The asking process' run; empty for callers whose month is not counted."""
    mine_mu: int
    """What this boot surely has charged in this month, this request not included."""
    slot: str
    slot_us: int
    """How long the slot is kept at most, microseconds."""


class Outcome(NamedTuple):
    """What came of it."""

    decision: Decision | None
    """None: the month's sum has to be brought first."""
    after: Subject
    mine_mu: int
    """The boot's field after the call."""


class Renewal(NamedTuple):
    """What a worker reports of its lease and wants of it (GW-303)."""

    limits: Limits
    boot: str
    mine_mu: int
    """What the boot's field of the month surely is: charged, and held by its leases."""
    spent_mu: int
    """Spent of the lease since the last report."""
    left_mu: int
    """Unspent of the lease as far as the worker knows: what the store has beyond that came with an answer that was lost."""
    wanted_mu: int
    """More units; 0 gives everything back."""
    least_mu: int
    """Fewer than these are of no use."""
    lease_most_mu: int
    """Most that one lease holds."""
    all_most_mu: int
    """Most that all leases of the subject hold: a fraction of its burst."""
    ttl_us: int
    """Longest validity."""
    workers: int
    """Workers that share the store; near the end of a quota nobody takes more than his part (GW-309)."""
    slots: int
    """Slots wanted in all, for requests in progress (GW-311)."""
    exact: bool
    """No other call of this boot and subject is under way: the field is put to ``mine_mu``, down too."""


class RenewalCode(IntEnum):
    """What came of a renewal."""

    NOTHING = 0
    """Nothing was granted; what was held goes on."""
    DONE = 1
    """Granted, or given back."""
    ENDED = 4
    """The lease had ended: all of it became debt, the report comes too late for the buckets (GW-304)."""


class Renewed(NamedTuple):
    """A lease after a renewal."""

    code: RenewalCode
    after: Subject
    granted_mu: int
    held_mu: int
    """By this lease."""
    end_us: int
    """Store clock; 0 when nothing is held."""
    mine_mu: int
    """The boot's field."""
    slots: int
    """Slots of this lease."""


def renew(subject: Subject, call: Renewal, now_us: int) -> Renewed | None:
    """Move what was spent from held to debt, then grant; None when the month's sum has to be brought first.

    What the worker does not know of becomes debt too: nobody will spend it, and whether a report that was lost said so of it
    or not, it is in no bucket yet. In every bucket debt + held x weight stays at most the cap, so leases admit nothing beyond the bound (GW-301, GW-302).
    """
    subject, month = tidy(subject, call.limits, now_us), subject.month
    if month is None:
        return None
    field_mu = month.shares_mu.get(call.boot, 0)
    mine_mu = call.mine_mu if call.exact else max(call.mine_mu, field_mu)
    used_mu = max(0, month.total_mu + mine_mu - field_mu)
    held_mu = subject.leases.get(call.boot, Lease(0, 0)).held_mu
    code, granted_mu, left_mu = RenewalCode.DONE, 0, min(call.left_mu, held_mu - call.spent_mu)
    if call.spent_mu > held_mu or (not call.wanted_mu and call.boot not in subject.leases):
        code, left_mu = RenewalCode.ENDED, 0
    gone, held_mu = Lease(held_mu - left_mu, now_us), left_mu
    subject = subject._replace(
        minute=_owing(subject.minute, call.limits.minute, gone),
        hour=_owing(subject.hour, call.limits.hour, gone),
    )
    if code is RenewalCode.DONE and call.wanted_mu:
        granted_mu = _grant(subject, call, held_mu, used_mu, now_us)
        code = RenewalCode.DONE if granted_mu else RenewalCode.NOTHING
        held_mu, mine_mu, used_mu = held_mu + granted_mu, mine_mu + granted_mu, used_mu + granted_mu
    else:
        held_mu, mine_mu, used_mu = 0, mine_mu - held_mu, used_mu - held_mu
    end_us = min(now_us + call.ttl_us, quota.month_of(now_us).left_us + now_us) if held_mu else 0
    leases = {name: lease for name, lease in subject.leases.items() if name != call.boot}
    if held_mu:
        leases[call.boot] = Lease(held_mu, end_us)
    shares = {**month.shares_mu, call.boot: max(0, mine_mu)}
    slots, granted_slots = _slots(subject, call, end_us)
    after = subject._replace(leases=leases, month=Month(max(0, used_mu), shares), slots=slots)
    return Renewed(code, after, granted_mu, held_mu, end_us, max(0, mine_mu), granted_slots)


def _slots(subject: Subject, call: Renewal, end_us: int) -> tuple[Mapping[str, int], int]:
    """Return the subject's slots with those of this lease until its end, and how many these are."""
    if call.limits.concurrency is None:
        return subject.slots, 0
    before = 0
    while f"{call.boot}/{before}" in subject.slots:
        before += 1
    others = {slot: end for slot, end in subject.slots.items() if not slot.startswith(f"{call.boot}/")}
    free = call.limits.concurrency - len(subject.slots) + before
    granted = max(0, min(call.slots, free)) if end_us else 0
    return {**others, **{f"{call.boot}/{n}": end_us for n in range(granted)}}, granted


def _grant(subject: Subject, call: Renewal, held_mu: int, used_mu: int, now_us: int) -> int:
    """Return how much more a lease may hold; 0 when it is less than of use."""
    others_mu = sum(lease.held_mu for name, lease in subject.leases.items() if name != call.boot)
    free_mu = [call.wanted_mu, call.lease_most_mu - held_mu, call.all_most_mu - held_mu - others_mu]
    for rule, bucket in ((call.limits.minute, subject.minute), (call.limits.hour, subject.hour)):
        if rule is not None:
            debt, _ = quota.decay(bucket, rule, now_us)
            free_mu.append((rule.burst_mu * rule.weight - debt) // rule.weight - held_mu - others_mu)
    if call.limits.month_mu is not None and not call.limits.overage:
        free_mu.append((call.limits.month_mu - used_mu) // (2 * call.workers))
    return min(free_mu) if min(free_mu) >= max(1, call.least_mu) else 0


def ask(subject: Subject, call: Ask, now_us: int, policy_version: int) -> Outcome:
    """Decide a request on a subject's state, with the store's clock for rate and month alike."""
    subject = tidy(subject, call.limits, now_us)
    mine_mu, used_mu = 0, 0
    if call.boot:
        if subject.month is None:
            return Outcome(None, subject, 0)
        subject, mine_mu = raised(subject, subject.month, call.boot, call.mine_mu)
        used_mu = subject.month.total_mu if subject.month else 0
    held_mu = sum(lease.held_mu for lease in subject.leases.values())
    end_us = max((lease.end_us for lease in subject.leases.values()), default=0)
    state = State(subject.minute, subject.hour, used_mu, len(subject.slots), held_mu, end_us)
    after, decision = quota.evaluate(call.limits, state, call.cost_mu, now_us, now_us, policy_version)
    if not decision.admitted:
        return Outcome(decision, subject, mine_mu)
    if call.boot and subject.month:
        mine_mu += call.cost_mu
        shares = {**subject.month.shares_mu, call.boot: mine_mu}
        subject = subject._replace(month=Month(used_mu + call.cost_mu, shares))
    if call.limits.concurrency is not None:
        subject = subject._replace(slots={**subject.slots, call.slot: now_us + call.slot_us})
    return Outcome(decision, subject._replace(minute=after.minute, hour=after.hour), mine_mu)


def tidy(subject: Subject, limits: Limits, now_us: int) -> Subject:
    """Let go the slots and leases that are past their end, and forget a clock that is far ahead."""
    ended = sorted(lease for lease in subject.leases.values() if lease.end_us <= now_us)
    ended.sort(key=lambda lease: lease.end_us)
    minute, hour = rebased(subject.minute, now_us), rebased(subject.hour, now_us)
    for lease in ended:
        minute = _owing(minute, limits.minute, lease)
        hour = _owing(hour, limits.hour, lease)
    return subject._replace(
        minute=minute,
        hour=hour,
        slots={slot: end_us for slot, end_us in subject.slots.items() if end_us > now_us},
        leases={name: lease for name, lease in subject.leases.items() if lease.end_us > now_us},
    )


def rebased(bucket: Bucket, now_us: int) -> Bucket:
    """Return a bucket whose moment is not far ahead of the clock: the debt stays, refill goes on (GW-207)."""
    return bucket._replace(at_us=now_us) if bucket.at_us - now_us > BACK_LIMIT_US else bucket


def raised(subject: Subject, month: Month, boot: str, mine_mu: int) -> tuple[Subject, int]:
    """Raise a boot's field to what it surely charged; return the subject and the field."""
    field_mu = month.shares_mu.get(boot, 0)
    if mine_mu <= field_mu:
        return subject, field_mu
    total_mu = month.total_mu + mine_mu - field_mu
    return subject._replace(month=Month(total_mu, {**month.shares_mu, boot: mine_mu})), mine_mu


def _owing(bucket: Bucket, rule: Rule | None, lease: Lease) -> Bucket:
    """Return a bucket that owes what a lease held when it ended, as if spent at that moment (GW-304)."""
    if rule is None:
        return bucket
    debt, at_us = quota.decay(bucket, rule, lease.end_us)
    return Bucket(min(debt + lease.held_mu * rule.weight, quota.EXACT_LIMIT), at_us, rule.weight)
