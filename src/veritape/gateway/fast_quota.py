"""The decision of ``quota.evaluate``, prepared and flat: what a hot path calls (GW-603).

``quota`` defines what is right. Here everything that depends only on the limits and the cost is computed once, into a
``Plan``; a decision is then a few integer comparisons, and its answer a ``Verdict`` that holds the state it was made from.
What headers, logs and events say of it is unfolded from that state by ``quota`` itself, and only when somebody asks. A
property test lets both run over the same histories and compares states and decisions.

What costs time in CPython 3.11 shaped it: a call is 60 ns, a field of a named tuple 30 ns, a slot of a class 5 ns. So both
buckets stand written out in ``judge``.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from veritape.gateway import quota
from veritape.gateway.quota import EXACT_LIMIT, MICROSECONDS, MU, Bucket, Decision, Limits, Mode, Rule, State

UNLIMITED_ROOM: Final = 2 * EXACT_LIMIT
"""Above every debt, sum and count: what is compared with it always passes."""

Parts = tuple[int, int, int]
"""A bucket as a plain tuple: debt, store clock, weight (``quota.Bucket`` without its cost)."""

NOTHING: Final[Parts] = (0, 0, 0)
"""``quota.EMPTY``."""


@dataclass(frozen=True, slots=True)
class Side:
    """One bucket's numbers for one cost; an absent bucket has gain 0 and room for everything."""

    gain: int
    weight: int
    cost: int
    """Parts that the request adds."""
    room: int
    """Most that may be owed before it."""
    cap: int
    """Most that may be owed after it."""
    unit: int
    """Parts of one whole unit."""
    gain_second: int
    """Parts that one second takes away."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Limits and cost of one kind of request, prepared; ``plan_of`` gives equal ones as the same object."""

    minute: Side
    hour: Side
    month_room: int
    """Most that may be used before it, mu."""
    concurrency: int
    """Requests in progress at which it is refused."""
    counts_slots: bool
    """Requests in progress are limited."""
    cost_mu: int
    limits: Limits
    policy_version: int


class Verdict(NamedTuple):
    """A decision with the state it stands on: after the charge when admitted, untouched when refused."""

    admitted: bool
    plan: Plan
    minute: Parts
    hour: Parts
    used_mu: int
    slots: int
    now_us: int
    """The store's clock."""
    wall_us: int
    """Wall clock, for the month."""
    held_mu: int = 0
    """What leases hold of the buckets, mu."""
    lease_end_us: int = 0
    mode: Mode = Mode.EXACT
    """Where it came from."""

    @property
    def cost_mu(self) -> int:
        """Return what the request costs."""
        return self.plan.cost_mu

    @property
    def policy_version(self) -> int:
        """Return the version of the policy that it was decided by."""
        return self.plan.policy_version

    @property
    def period(self) -> str:
        """Return the calendar month that it is charged to."""
        return quota.period_of(self.wall_us)

    @property
    def state(self) -> State:
        """Return the state that it stands on, in the words of the definition."""
        buckets = Bucket(*self.minute), Bucket(*self.hour)
        return State(*buckets, self.used_mu, self.slots, self.held_mu, self.lease_end_us)

    def unfolded(self) -> Decision:
        """Return everything that there is to say of the decision, by the definition."""
        plan, state = self.plan, self.state
        if self.admitted:
            month = quota.month_of(self.wall_us)
            found = quota.admission(plan.limits, state, plan.cost_mu, self.now_us, month, plan.policy_version)
        else:
            _, found = quota.evaluate(
                plan.limits, state, plan.cost_mu, self.now_us, self.wall_us, plan.policy_version
            )
        return found if self.mode is Mode.EXACT else found._replace(mode=self.mode)


class Tally:
    """What is counted of one subject, changed in place."""

    __slots__ = ("hour", "minute", "slots", "used_mu")

    def __init__(self, minute: Parts = NOTHING, hour: Parts = NOTHING, used_mu: int = 0) -> None:
        self.minute, self.hour = minute, hour
        self.used_mu = used_mu
        """Used in the current month, mu."""
        self.slots = 0
        """Requests in progress."""


@lru_cache(maxsize=4_096)
def plan_of(limits: Limits, cost_mu: int, policy_version: int) -> Plan:
    """Return what is prepared for requests of a cost under some limits."""
    month_mu = limits.month_mu
    return Plan(
        minute=_side(limits.minute, cost_mu),
        hour=_side(limits.hour, cost_mu),
        month_room=UNLIMITED_ROOM if month_mu is None or limits.overage else month_mu - cost_mu,
        concurrency=UNLIMITED_ROOM if limits.concurrency is None else limits.concurrency,
        counts_slots=limits.concurrency is not None,
        cost_mu=cost_mu,
        limits=limits,
        policy_version=policy_version,
    )


def judge(plan: Plan, tally: Tally, now_us: int, wall_us: int) -> Verdict:
    """Decide, and charge all or nothing; a slot of an admitted request is the caller's to name and to free.

    Args:
        plan: limits and cost.
        tally: the subject's state; the month's figure is that of ``wall_us``.
        now_us: the store's clock.
        wall_us: wall clock.
    """
    minute, hour = minute_after, hour_after = tally.minute, tally.hour
    used_mu, slots = tally.used_mu, tally.slots
    admitted = used_mu <= plan.month_room and slots < plan.concurrency
    side = plan.minute
    if side.gain:
        debt, at_us, weight = minute
        if weight != side.weight:
            debt = carried(debt, weight, side)
        if now_us > at_us:
            credit, at_us = (now_us - at_us) * side.gain, now_us
            debt = debt - credit if credit < debt else 0
        if debt > side.room:
            admitted = False
        minute_after = (debt + side.cost, at_us, side.weight)
    side = plan.hour
    if side.gain:
        debt, at_us, weight = hour
        if weight != side.weight:
            debt = carried(debt, weight, side)
        if now_us > at_us:
            credit, at_us = (now_us - at_us) * side.gain, now_us
            debt = debt - credit if credit < debt else 0
        if debt > side.room:
            admitted = False
        hour_after = (debt + side.cost, at_us, side.weight)
    if not admitted:
        return make_tuple(Verdict, (False, plan, minute, hour, used_mu, slots, now_us, wall_us, 0, 0, _EXACT))
    tally.minute, tally.hour = minute_after, hour_after
    tally.used_mu = used_mu = used_mu + plan.cost_mu
    return make_tuple(
        Verdict, (True, plan, minute_after, hour_after, used_mu, slots + 1, now_us, wall_us, 0, 0, _EXACT)
    )


def carried(debt: int, weight: int, side: Side) -> int:
    """Return a debt of another rule in the parts of this one: nothing is forgiven (GW-211)."""
    return min(quota.ceil_div(debt, weight) * side.weight, EXACT_LIMIT) if debt else 0


def left_units(side: Side, parts: Parts, held_mu: int, now_us: int) -> tuple[int, int]:
    """Return a bucket's whole units left after an admission, and the seconds until one more comes (GW-504)."""
    debt, at_us, _ = parts
    cap, unit = side.cap, side.unit
    if held_mu:
        debt += held_mu * side.weight
    units = (cap - debt) // unit
    threshold = cap - (units + 1) * unit
    if threshold < 0:
        return units, 0
    if at_us <= now_us:
        return units, -((threshold - debt) // side.gain_second)
    wait_us = quota.ceil_div(debt - threshold, side.gain) + at_us - now_us
    return units, quota.ceil_div(wait_us, MICROSECONDS)


_EXACT: Final = Mode.EXACT
"""A member of an enum is looked up in its class each time."""

make_tuple: Final = tuple.__new__
"""Makes a named tuple without the Python function that checks its arity."""


def _side(rule: Rule | None, cost_mu: int) -> Side:
    if rule is None:
        return Side(0, 0, 0, UNLIMITED_ROOM, 0, 1, 1)
    cap, cost = rule.burst_mu * rule.weight, cost_mu * rule.weight
    return Side(rule.gain, rule.weight, cost, cap - cost, cap, MU * rule.weight, rule.gain * MICROSECONDS)
