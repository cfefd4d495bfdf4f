"""Limits as a tier, a class or an account states them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.limits_reader import read_own_limits
from veritape.gateway.policy import PolicyReason
from veritape.gateway.quota import Limits, make_rule
from veritape.kernel.errors import MisuseError


def test_an_accounts_own_limits_are_read_as_a_tiers() -> None:
    """GW-146: minute, hour, month and concurrency, with a tier's defaults."""
    text = '{"minute": {"limit": 5000}, "hour": {"limit": 90000}, "month": {"quota": 7}, "concurrency": 200}'
    minute, hour = make_rule(5_000, 60, 7_500), make_rule(90_000, 3_600, 90_000)
    assert read_own_limits(text) == Limits(minute, hour, 7_000, 200)
    assert read_own_limits("{}") == Limits()


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        ("", PolicyReason.WRONG_TYPE, "no JSON"),
        ("[" * 100_000, PolicyReason.WRONG_TYPE, "no JSON"),
        ("[]", PolicyReason.WRONG_TYPE, "limits: wrong_type: a table"),
        ('{"minute": 5}', PolicyReason.WRONG_TYPE, "limits.minute: wrong_type: a table"),
        ('{"minute": {}}', PolicyReason.MISSING_KEY, "limits.minute.limit: missing_key"),
        ('{"minutes": {"limit": 5}}', PolicyReason.UNKNOWN_KEY, "nearest known key is 'minute'"),
        ('{"hour": {"limit": 1, "burst": 1000000000000}}', PolicyReason.RULE_OUT_OF_RANGE, "a burst of at most"),
        ('{"concurrency": 0}', PolicyReason.OUT_OF_RANGE, "1 to 100000"),
        ('{"month": {"quota": 1, "overage": "bill"}}', PolicyReason.OVERAGE_PRICE_MISSING, "overage"),
    ],
)  # fmt: skip
def test_own_limits_are_checked_like_a_tiers(text: str, reason: PolicyReason, message: str) -> None:
    """GW-146: every error names its key and what is allowed."""
    with pytest.raises(MisuseError, match=message) as caught:
        read_own_limits(text)
    assert caught.value.reason == reason


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """GW-146: reading is total."""
    try:
        read_own_limits(text)
    except MisuseError:
        return
