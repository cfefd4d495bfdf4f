"""Who calls, and what limits them: one decision over a key's record, a token or an address (GW-419, GW-443).

The tier belongs to the account in the key store; no header, query or body is looked at here, so none can set it. Whoever
sends a bad credential is refused and never taken for an anonymous caller.
"""

from collections.abc import Container
from typing import NamedTuple

from veritape.gateway import keys
from veritape.gateway.accounts import Account, own_or_tier
from veritape.gateway.addresses import Address
from veritape.gateway.keys import Environment, KeyRecord
from veritape.gateway.policy import Policy, Route
from veritape.gateway.quota import Limits
from veritape.gateway.reasons import Reason
from veritape.gateway.tokens import Token, TokenReason
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


def of_token(
    token: Token,
    account: Account | None,
    revoked: Container[tuple[str, str]],
    policy: Policy,
    route: Route,
) -> Identity | Refusal:
    """Decide a request with a token (GW-419, GW-434).

    Args:
        token: what it says.
        account: what the key store knows of the account that it names; only an issuer that sets the tier may name others.
        revoked: (issuer, jti) of revoked tokens.
        policy: tiers.
        route: what is asked for.
    """
    if token.jti and (token.issuer, token.jti) in revoked:
        return of_refused_token(TokenReason.REVOKED)
    if account is None and not token.tier:
        return of_refused_token(TokenReason.WRONG_SUBJECT)
    if account is not None and account.suspended:
        return Refusal(Reason.ACCOUNT_SUSPENDED)
    if route.scope is not None and route.scope not in token.scopes:
        return Refusal(Reason.MISSING_SCOPE, f"the token lacks the scope {route.scope}")
    tier = policy.tiers.get(token.tier or (account.tier if account else ""))
    if tier is None:
        return Refusal(Reason.ACCOUNT_SUSPENDED, "the account's tier is no longer in the policy")
    own = account.own_limits if account else Limits()
    subject = f"{token.account}:{Environment.LIVE}"
    caller = Caller(token.account, Environment.LIVE, f"jwt:{token.issuer}", subject)
    return Identity(caller, tier.name, own_or_tier(own, tier.limits))


def of_refused_token(reason: TokenReason) -> Refusal:
    """Return the refusal of a request whose token is not believed."""
    problem = Reason.EXPIRED_TOKEN if reason is TokenReason.EXPIRED else Reason.INVALID_TOKEN
    return Refusal(problem, f"the token is refused: {reason}")


def of_address(address: Address | None, policy: Policy) -> Identity | Refusal:
    """Decide a request without a credential on a route that takes such (GW-442, GW-443)."""
    if address is None:
        return Identity(LOCAL, "local", Limits())
    found = policy.addresses.class_of(address)
    if found is None:
        return Refusal(Reason.MISSING_CREDENTIALS)
    subject = f"ip:{found.name}:{policy.addresses.group_of(address)}"
    return Identity(Caller(f"ip:{found.name}", "", "", subject), found.name, found.limits)
