"""Which limits an account has."""

from veritape.gateway.accounts import own_or_tier
from veritape.gateway.quota import Limits, make_rule

TIER = Limits(make_rule(100, 60, 150), make_rule(3_000, 3_600, 3_000), 50_000_000, 10)


def test_own_limits_go_before_the_tiers_one_by_one() -> None:
    """GW-146: what a contract names replaces the tier's; the rest stays, overage with its month."""
    assert own_or_tier(Limits(), TIER) == TIER
    own = Limits(make_rule(5_000, 60, 8_000), None, 9_000_000, None, overage=True)
    assert own_or_tier(own, TIER) == Limits(own.minute, TIER.hour, 9_000_000, 10, overage=True)
    assert own_or_tier(Limits(concurrency=7), Limits()) == Limits(concurrency=7)
