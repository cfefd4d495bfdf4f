"""Whether a target of an upstream may get requests: marks of checks and of live requests as one state machine (GW-583).

Two marks, kept apart. *Active*: checks in a row put a target out (three failures) and in (two successes). *Passive*: five
live failures in a row put it out for 10 s, then 20, 40, up to 300; a live success forgives all of it. While only passive
marks are the cause that no target is left, one live request a second goes through as a probe.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from veritape.gateway.upstreams import HealthRule

FAILURES: Final = 5
"""Live failures in a row that put a target out."""

EJECTED_NS: Final = 10_000_000_000
"""First time out; it doubles with each further one."""

EJECTED_LIMIT_NS: Final = 300_000_000_000
"""Longest time out."""

PROBE_NS: Final = 1_000_000_000
"""Between two live requests as probes."""

HEALTHY: Final = frozenset(range(200, 205))
"""Statuses of a check that succeeded."""

IGNORED: Final = 429
"""Busy is not broken: such a check says nothing."""

FAILING: Final = frozenset({502, 503})
"""Statuses of a live answer that count as failures of the target."""


class Standing(StrEnum):
    """Where a target stands."""

    IN = "in"
    """It gets requests."""
    EJECTED = "ejected"
    """Live requests failed; probes may pass."""
    OUT = "out"
    """Checks fail."""


_IN, _EJECTED, _OUT = Standing
"""A member of an enum is looked up in its class each time."""


class TargetHealth(NamedTuple):
    """Marks of one target."""

    is_up: bool = True
    """By its checks; a target is up until they say otherwise."""
    streak: int = 0
    """Checks in a row that speak against ``is_up``."""
    failures: int = 0
    """Live failures in a row."""
    ejections: int = 0
    """Times out since the last live success."""
    until_ns: int = 0
    """Monotonic clock at which the present time out ends."""


SPOTLESS: Final = TargetHealth()
"""Nothing speaks against the target: an answer changes nothing of it."""


def standing(health: TargetHealth, now_ns: int) -> Standing:
    """Return where a target stands."""
    if not health.is_up:
        return _OUT
    return _EJECTED if now_ns < health.until_ns else _IN


def after_check(health: TargetHealth, rule: HealthRule, status: int | None) -> TargetHealth:
    """Return a target's marks after an active check.

    Args:
        health: before.
        rule: how many in a row count.
        status: of the answer; None when there was none in time.
    """
    if status == IGNORED:
        return health
    if (status in HEALTHY) == health.is_up:
        return health._replace(streak=0)
    needed = rule.unhealthy if health.is_up else rule.healthy
    if health.streak + 1 < needed:
        return health._replace(streak=health.streak + 1)
    return health._replace(is_up=not health.is_up, streak=0)


def after_answer(health: TargetHealth, now_ns: int, *, is_failure: bool) -> TargetHealth:
    """Return a target's marks after a live request: a connection error, a timeout, 502 and 503 are failures."""
    if not is_failure:
        is_spotless = not (health.failures or health.ejections or health.until_ns)
        return health if is_spotless else health._replace(failures=0, ejections=0, until_ns=0)
    if health.failures + 1 < FAILURES:
        return health._replace(failures=health.failures + 1)
    span_ns = min(EJECTED_NS << min(health.ejections, 8), EJECTED_LIMIT_NS)
    return health._replace(failures=0, ejections=health.ejections + 1, until_ns=now_ns + span_ns)
