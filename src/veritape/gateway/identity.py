"""Who calls, and what limits them: one decision over a key's record, or an address (GW-419, GW-443).

The tier belongs to the account in the key store; no header, query or body is looked at here, so none can set it. Whoever
sends a bad credential is refused and never taken for an anonymous caller.
"""

from typing import NamedTuple

from veritape.gateway import keys
from veritape.gateway.accounts import own_or_tier
from veritape.gateway.addresses import Address
from veritape.gateway.keys import KeyRecord
from veritape.gateway.policy import Policy, Route
from veritape.gateway.quota import Limits
from veritape.gateway.reasons import Reason
from veritape.gateway.usage import Caller

LOCAL: Caller = Caller("ip:local", "", "", "ip:local")
"""Callers on a unix socket, who are not limited."""


class Identity(NamedTuple):
    """Who is charged, and what applies to them."""

    caller: Caller
    tier: str
    """Tier, or address class."""
    limits: Limits


class Refusal(NamedTuple):
    """Why a caller is not let in."""

    reason: Reason
    detail: str = ""
    """A sentence of ours; empty for the reason's own advice."""


def of_key(
    record: KeyRecord | None, policy: Policy, route: Route, wall_us: int, address: Address | None
) -> Identity | Refusal:
    """Decide a request with a key.

    Args:
        record: what the key store knows of the key; None when it is unknown.
        policy: tiers.
        route: what is asked for.
        wall_us: wall clock, microseconds UTC.
        address: the client; None on a unix socket.
    """
    if record is None:
        return Refusal(Reason.INVALID_KEY)
    reason = keys.refusal(record, wall_us, address)
    if reason is not None:
        return Refusal(reason)
    if route.scope is not None and route.scope not in record.scopes:
        return Refusal(Reason.MISSING_SCOPE, f"the key lacks the scope {route.scope}")
    tier = policy.tiers.get(record.tier)
    if tier is None:
        return Refusal(Reason.ACCOUNT_SUSPENDED, "the account's tier is no longer in the policy")
    caller = Caller(record.account, record.environment, record.id, record.subject)
    return Identity(caller, tier.name, own_or_tier(record.own_limits, tier.limits))


def of_address(address: Address | None, policy: Policy) -> Identity | Refusal:
    """Decide a request without a credential on a route that takes such (GW-442, GW-443)."""
    if address is None:
        return Identity(LOCAL, "local", Limits())
    found = policy.addresses.class_of(address)
    if found is None:
        return Refusal(Reason.MISSING_CREDENTIALS)
    subject = f"ip:{found.name}:{policy.addresses.group_of(address)}"
    return Identity(Caller(f"ip:{found.name}", "", "", subject), found.name, found.limits)
