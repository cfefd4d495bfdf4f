"""How a request is decided when limits are only watched (GW-107) or the gateway is overloaded (GW-381)."""

from typing import NamedTuple

from veritape.gateway.adapters.stores import Judged, Store, Terms, unfolded
from veritape.gateway.fast_quota import Plan
from veritape.gateway.memory_store import UNLIMITED
from veritape.gateway.overload import halved, is_halved
from veritape.gateway.policy import Policy, Route
from veritape.gateway.quota import Decision, LimitName, Mode
from veritape.gateway.reasons import Reason

HALF_REASONS = frozenset({Reason.RATE_LIMITED, Reason.COST_EXCEEDS_BURST})
"""Denials by a bucket: with half a bucket they are the gateway's fault and no denial of quota."""


class Manner(NamedTuple):
    """In which manner a request is decided."""

    shadow: bool = False
    """Its limits deny nothing: what they would have denied is told."""
    halved: bool = False
    """It has half the rate and burst."""


PLAIN = Manner()
"""As its limits say."""


class Found(NamedTuple):
    """What was decided."""

    judged: Judged
    slot: str
    would_deny: str = ""
    """The limit that would have denied, were it not only watched."""


def manner(policy: Policy, route: Route, tier: str, level: int, *, anonymous: bool) -> Manner:
    """Return in which manner a caller's request is decided.

    Args:
        policy: in force.
        route: that is asked for.
        tier: name of the caller's tier, of the address class when anonymous.
        level: of the overload ladder.
        anonymous: the caller has no credential.
    """
    if anonymous:
        watched = any(one.shadow for one in policy.addresses.classes if one.name == tier)
    else:
        watched = tier in policy.tiers and policy.tiers[tier].shadow
    return Manner(route.shadow or watched, is_halved(level, tier, anonymous=anonymous))


async def admit(store: Store, subject: str, plan: Plan, terms: Terms, how: Manner) -> Found:
    """Decide and charge in a manner; what is denied comes as the whole decision.

    Under a shadow a denied request is decided once more without limits, so that it is charged all the same; its limits
    are in no header field. A denial by half a bucket is ``overloaded``.

    Raises:
        UnavailableError: no decision: the store is lost and the route is closed then.
    """
    if not (how.halved or how.shadow):
        judged, slot = await store.judge(subject, plan, terms)
        return Found(judged if judged.admitted else unfolded(judged), slot)
    cost_mu = plan.cost_mu
    if how.halved:
        terms = terms._replace(limits=halved(terms.limits), lease=None, whole=terms.limits)
    decision, slot = await store.decide(subject, cost_mu, terms)
    if how.shadow:
        would_deny = "" if decision.admitted else denying_limit(decision)
        if would_deny:
            decision, slot = await store.decide(
                subject, cost_mu, terms._replace(limits=UNLIMITED, lease=None)
            )
        return Found(decision._replace(limits=()), slot, would_deny)
    if how.halved and decision.reason in HALF_REASONS:
        return Found(decision._replace(reason=Reason.OVERLOADED, limits=(), retry_after_s=0), slot)
    return Found(decision, slot)


def denying_limit(decision: Decision) -> str:
    """Return the limit that denied: the one with the longest wait, or ``cost``."""
    if not decision.limits:
        return "cost"
    name: LimitName = max(decision.limits, key=lambda part: part.wait_us).name
    return name.value


def outcome(judged: Judged | None, reason: str) -> str:
    """Return what a decision came to, as figures and logs call it; empty when there was none."""
    if judged is None:
        return "closed" if reason == Reason.QUOTA_UNAVAILABLE else ""
    if judged.admitted:
        return "allowed"
    decision = unfolded(judged)
    return "overload" if decision.reason is Reason.OVERLOADED else denying_limit(decision)


def decider(judged: Judged | None, store: str) -> str:
    """Return what answered a decision, where ``store`` is the kind of the policy's; local shares are memory."""
    if judged is None:
        return ""
    if judged.mode is Mode.EXACT:
        return store
    return "lease" if judged.mode is Mode.LEASE else "memory"
