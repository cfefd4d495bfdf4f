"""The decision engine: exact token buckets, the month, requests in progress, all or nothing (GW-201 to 210, 214).

Theory. A token bucket is kept as a *debt* that decays: no debt is a full bucket, so a state that is missing and one that
is idle are the same thing. It is equivalent to GCRA (ITU-T I.371) without its division. ``limit`` units in a window are
``gain`` parts of debt a microsecond and ``weight`` parts of debt a thousandth of a unit, both integers without a common
divisor, so every step is exact. An admission adds ``cost x weight``; time takes ``gain`` away each microsecond, never more
than is owed. Debt is at most ``burst x weight`` after an admission and at least 0 before a window, therefore in any window
admitted <= burst + rate x time, without a rounding term.

A decision covers every limit of a subject. All are evaluated first and nothing is written unless all admit, so a request
that is refused leaves every byte of state as it was and costs nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from math import gcd
from typing import Final, NamedTuple

from veritape.gateway.reasons import Reason

MU: Final = 1_000
"""Thousandths (mu) of one unit: costs have at most three decimal places (GW-001)."""

MICROSECONDS: Final = 1_000_000
"""Microseconds in a second."""

EXACT_LIMIT: Final = 2**53 - 1
"""Largest integer that every store can hold exactly (GW-203)."""

CONCURRENCY_WAIT_US: Final = MICROSECONDS
"""Advised wait when too many requests are in progress (GW-210)."""


class LimitName(StrEnum):
    """Limits of a subject, in the order of evaluation, which also breaks ties (GW-208)."""

    MONTH = "month"
    """Units in a calendar month, UTC."""
    HOUR = "hour"
    """Token bucket of an hour."""
    MINUTE = "minute"
    """Token bucket of a minute."""
    CONCURRENCY = "concurrency"
    """Requests in progress."""


WINDOW_S: Final = {LimitName.MINUTE: 60, LimitName.HOUR: 3_600}
"""Seconds of a bucket's window."""


_HOUR_US: Final = WINDOW_S[LimitName.HOUR] * MICROSECONDS
"""Microseconds of an hour."""


class Mode(StrEnum):
    """Where a decision came from."""

    EXACT = "exact"
    """The store decided on its full state."""
    LEASE = "lease"
    """A worker spent what it had taken from the store beforehand."""
    LOCAL = "local"
    """The store was lost; a local share decided."""
    OPEN = "open"
    """The store was lost for longer than the grace, and the route admits then."""


class Rule(NamedTuple):
    """One token bucket's numbers."""

    limit: int
    """Units in the window."""
    window_s: int
    """Seconds of the window."""
    burst_mu: int
    """Most that a full bucket holds, mu."""
    gain: int
    """Parts of debt that one microsecond takes away."""
    weight: int
    """Parts of debt of one mu."""

    @property
    def full_after_us(self) -> int:
        """Return the microseconds after which an empty bucket is full."""
        return ceil_div(self.burst_mu * self.weight, self.gain)


class Bucket(NamedTuple):
    """State of one token bucket."""

    debt: int
    """What is owed, in parts."""
    at_us: int
    """Store clock at which the debt was so."""
    weight: int
    """Weight that the debt was written with (GW-211)."""


EMPTY: Final = Bucket(0, 0, 0)
"""A state that is missing: nothing is owed."""


class Admitted(NamedTuple):
    """The bucket admits."""

    remaining_mu: int


class Never(NamedTuple):
    """The cost is above the burst: waiting cannot help."""


class Denied(NamedTuple):
    """The bucket refuses now."""

    wait_us: int
    """Microseconds after which the same request is admitted if nothing else is charged; exact."""
    remaining_mu: int


Answer = Admitted | Never | Denied
"""What one bucket says."""


class Limits(NamedTuple):
    """Limits of a subject (GW-004); None is unlimited."""

    minute: Rule | None = None
    hour: Rule | None = None
    month_mu: int | None = None
    """Quota of a calendar month, mu."""
    concurrency: int | None = None
    """Requests in progress."""
    overage: bool = False
    """Units above the month's quota are billed, not denied."""


class State(NamedTuple):
    """State of a subject as a decision reads it."""

    minute: Bucket = EMPTY
    hour: Bucket = EMPTY
    used_mu: int = 0
    """Units used in the month, mu."""
    slots: int = 0
    """Requests in progress."""
    held_mu: int = 0
    """What leases hold of the buckets, mu."""
    lease_end_us: int = 0
    """When the last of those leases ends."""


class LimitState(NamedTuple):
    """One limit's share in a decision."""

    name: LimitName
    quota: int
    """Units of the window, or requests in progress."""
    window_s: int
    """Seconds; 0 for requests in progress."""
    burst: int
    """Units that a full bucket holds; the quota where there is no bucket."""
    remaining_mu: int
    """What is left now; for requests in progress a thousand a slot."""
    wait_us: int
    """0 when this limit admits."""
    next_us: int
    """Microseconds until one more whole unit is left; 0 when it is full."""


class Decision(NamedTuple):
    """What was decided, and everything that headers, logs, metrics and events say of it (GW-214)."""

    admitted: bool
    reason: Reason | None
    """None when admitted."""
    cost_mu: int
    limits: tuple[LimitState, ...]
    """Limits that apply, in the order of evaluation."""
    retry_after_s: int
    """0 when admitted, or when no wait helps."""
    mode: Mode
    period: str
    """Calendar month, ``2026-11``."""
    policy_version: int

    @property
    def violated(self) -> tuple[LimitName, ...]:
        """Return every limit that denied."""
        return tuple(limit.name for limit in self.limits if limit.wait_us)


class Month(NamedTuple):
    """The calendar month of a moment, UTC."""

    period: str
    """``2026-11``."""
    length_s: int
    """Seconds from its first instant to the next month's."""
    left_us: int
    """Microseconds until the next month begins."""


def make_rule(limit: int, window_s: int, burst: int) -> Rule:
    """Return the numbers of a bucket (GW-201).

    Raises:
        ValueError: the numbers would not be exact in every store; ``args[0]`` is the largest burst that fits (GW-203).
    """
    period_us = window_s * MICROSECONDS
    divisor = gcd(MU * limit, period_us)
    gain, weight = MU * limit // divisor, period_us // divisor
    largest = (EXACT_LIMIT - gain) // weight // MU // 3
    if burst > largest:  # the burst, the leases' share and the largest cost, each at most the burst
        raise ValueError(largest)
    return Rule(limit, window_s, burst * MU, gain, weight)


def ceil_div(value: int, divisor: int) -> int:
    """Divide and round up."""
    return -(-value // divisor)


def decay(bucket: Bucket, rule: Rule, now_us: int) -> tuple[int, int]:
    """Return the debt now and the moment it holds for.

    A clock that went back gives no credit and does not move the moment. A debt of another rule is carried over, nothing
    is forgiven (GW-211).
    """
    debt, at_us, weight = bucket
    if weight != rule.weight and debt:
        debt = min(ceil_div(debt, weight) * rule.weight, EXACT_LIMIT)
    if now_us < at_us:
        return debt, at_us
    credit = (now_us - at_us) * rule.gain
    return (0 if credit >= debt else debt - credit), now_us


def decide(
    bucket: Bucket, rule: Rule, cost_mu: int, now_us: int, held_mu: int = 0, lease_end_us: int = 0
) -> tuple[Bucket, Answer]:
    """Decide one bucket: the definition with which every store must agree (GW-202).

    Args:
        bucket: state; ``EMPTY`` when there is none.
        rule: the bucket's numbers.
        cost_mu: what the request costs.
        now_us: the store's clock.
        held_mu: what leases hold.
        lease_end_us: when the lease that frees enough ends.

    Returns:
        the new state, the old one when refused, and the answer.
    """
    debt, at_us = decay(bucket, rule, now_us)
    cap = rule.burst_mu * rule.weight
    need = debt + (held_mu + cost_mu) * rule.weight
    if need <= cap:
        return Bucket(debt + cost_mu * rule.weight, at_us, rule.weight), Admitted((cap - need) // rule.weight)
    if cost_mu > rule.burst_mu:
        return bucket, Never()
    over = need - cap
    if over <= debt:
        wait_us = ceil_div(over, rule.gain) + max(0, at_us - now_us)
    else:  # waits for a lease to end, not for time
        wait_us = max(1, ceil_div(debt, rule.gain), lease_end_us - now_us)
    return bucket, Denied(wait_us, max(0, (cap - debt) // rule.weight - held_mu))


def month_of(wall_us: int) -> Month:
    """Return the calendar month of a wall clock reading, microseconds UTC (GW-209)."""
    period, length_s, end_us = _calendar(wall_us // _HOUR_US)
    return Month(period, length_s, end_us - wall_us)


def period_of(wall_us: int) -> str:
    """Return the name of the calendar month of a wall clock reading."""
    return _calendar(wall_us // _HOUR_US)[0]


@lru_cache(maxsize=64)
def _calendar(hours: int) -> tuple[str, int, int]:
    """Return name, seconds and end of the month that an hour since 1970 lies in: months begin with an hour."""
    moment = datetime.fromtimestamp(hours * WINDOW_S[LimitName.HOUR], UTC)
    start = moment.replace(day=1, hour=0)
    following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    end_s = int(following.timestamp())
    return f"{start.year:04}-{start.month:02}", end_s - int(start.timestamp()), end_s * MICROSECONDS


def evaluate(
    limits: Limits, state: State, cost_mu: int, now_us: int, wall_us: int, policy_version: int
) -> tuple[State, Decision]:
    """Decide all limits of a subject together (GW-208).

    Args:
        limits: what applies to the subject.
        state: what is owed, used and in progress; the month's figure is that of ``wall_us``.
        cost_mu: above 0.
        now_us: the store's clock; in process it is monotonic.
        wall_us: wall clock UTC, for the month alone.
        policy_version: noted in the decision.

    Returns:
        the state to write, which is the very one given when refused, and the decision.
    """
    month = month_of(wall_us)
    waits, after = _ask(limits, state, cost_mu, now_us, month)
    if after is None:
        return state, Decision(
            False, Reason.COST_EXCEEDS_BURST, cost_mu, (), 0, Mode.EXACT, month.period, policy_version
        )
    wait_us = max(waits.values(), default=0)
    if not wait_us:
        return after, admission(limits, after, cost_mu, now_us, month, policy_version)
    reason = _REASONS[next(name for name, wait in waits.items() if wait == wait_us)]
    parts = _describe(limits, state, waits, now_us, month)
    seconds = max(1, ceil_div(wait_us, MICROSECONDS))
    return state, Decision(False, reason, cost_mu, parts, seconds, Mode.EXACT, month.period, policy_version)


def admission(
    limits: Limits, after: State, cost_mu: int, now_us: int, month: Month, policy_version: int
) -> Decision:
    """Return the decision of a request that was admitted, from the state after it."""
    parts = _describe(limits, after, {}, now_us, month)
    return Decision(True, None, cost_mu, parts, 0, Mode.EXACT, month.period, policy_version)


_REASONS: Final[Mapping[LimitName, Reason]] = {
    LimitName.MONTH: Reason.MONTH_QUOTA_EXHAUSTED,
    LimitName.HOUR: Reason.RATE_LIMITED,
    LimitName.MINUTE: Reason.RATE_LIMITED,
    LimitName.CONCURRENCY: Reason.CONCURRENCY_LIMITED,
}
"""Reason of a denial by each limit."""


def _ask(
    limits: Limits, state: State, cost_mu: int, now_us: int, month: Month
) -> tuple[dict[LimitName, int], State | None]:
    """Return each limit's wait, in the order of evaluation, and the state if all admit; None if one never can."""
    waits: dict[LimitName, int] = {}
    if limits.month_mu is not None:
        fits = limits.overage or state.used_mu + cost_mu <= limits.month_mu
        waits[LimitName.MONTH] = 0 if fits else month.left_us
    buckets = {LimitName.HOUR: state.hour, LimitName.MINUTE: state.minute}
    for name, rule, bucket in _buckets(limits, state):
        buckets[name], answer = decide(bucket, rule, cost_mu, now_us, state.held_mu, state.lease_end_us)
        if isinstance(answer, Never):
            return waits, None
        waits[name] = answer.wait_us if isinstance(answer, Denied) else 0
    if limits.concurrency is not None:
        waits[LimitName.CONCURRENCY] = 0 if state.slots < limits.concurrency else CONCURRENCY_WAIT_US
    return waits, state._replace(
        minute=buckets[LimitName.MINUTE],
        hour=buckets[LimitName.HOUR],
        used_mu=state.used_mu + cost_mu,
        slots=state.slots + 1,
    )


def _buckets(limits: Limits, state: State) -> list[tuple[LimitName, Rule, Bucket]]:
    pairs = (
        (LimitName.HOUR, limits.hour, state.hour),
        (LimitName.MINUTE, limits.minute, state.minute),
    )
    return [(name, rule, bucket) for name, rule, bucket in pairs if rule is not None]


def _describe(
    limits: Limits, state: State, waits: Mapping[LimitName, int], now_us: int, month: Month
) -> tuple[LimitState, ...]:
    parts = []
    if limits.month_mu is not None:
        left_mu = max(0, limits.month_mu - state.used_mu)
        next_us = month.left_us if state.used_mu else 0
        quota = limits.month_mu // MU
        wait_us = waits.get(LimitName.MONTH, 0)
        parts.append(LimitState(LimitName.MONTH, quota, month.length_s, quota, left_mu, wait_us, next_us))
    for name, rule, bucket in _buckets(limits, state):
        debt, at_us = decay(bucket, rule, now_us)
        taken = debt + state.held_mu * rule.weight
        left_mu = max(0, rule.burst_mu * rule.weight - taken) // rule.weight
        next_us = _next_unit_us(rule, taken, left_mu, max(0, at_us - now_us))
        burst = rule.burst_mu // MU
        parts.append(LimitState(name, rule.limit, rule.window_s, burst, left_mu, waits.get(name, 0), next_us))
    if limits.concurrency is not None:
        left_mu = max(0, limits.concurrency - state.slots) * MU
        wait_us = waits.get(LimitName.CONCURRENCY, 0)
        parts.append(
            LimitState(LimitName.CONCURRENCY, limits.concurrency, 0, limits.concurrency, left_mu, wait_us, 0)
        )
    return tuple(parts)


def _next_unit_us(rule: Rule, debt: int, left_mu: int, clock_behind_us: int) -> int:
    """Return the microseconds until one more whole unit is left, 0 when the bucket can hold no more."""
    wanted_mu = (left_mu // MU + 1) * MU
    if wanted_mu > rule.burst_mu:
        return 0
    return ceil_div(debt - (rule.burst_mu - wanted_mu) * rule.weight, rule.gain) + clock_behind_us
