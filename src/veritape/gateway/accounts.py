"""Accounts: who is limited and billed, and by which limits (GW-003, GW-146)."""

from typing import NamedTuple

from veritape.gateway.quota import Limits


class Account(NamedTuple):
    """What the key store knows of an account."""

    id: str
    tier: str
    suspended: bool
    own_limits: Limits
    """They go before the tier's."""
    revision: int
    """Rises with every change."""


def own_or_tier(own: Limits, tier: Limits) -> Limits:
    """Return the limits that apply: each the account's own where it has one, else its tier's."""
    month = tier if own.month_mu is None else own
    return Limits(
        own.minute or tier.minute, own.hour or tier.hour, month.month_mu,
        own.concurrency or tier.concurrency, month.overage,
    )  # fmt: skip
