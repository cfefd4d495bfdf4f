"""The rate fields, to the character."""

from veritape.gateway import quota
from veritape.gateway.quota import Bucket, Limits, State
from veritape.gateway.rate_fields import rate_fields, units_text

FREE = Limits(quota.make_rule(100, 60, 150), quota.make_rule(3_000, 3_600, 3_000), 50_000_000, 10)
NOVEMBER_US = 1_795_187_045_000_000


def fields(limits: Limits, state: State, cost_mu: int = 1_000, *, legacy: bool = False) -> dict[str, str]:
    decision = quota.evaluate(limits, state, cost_mu, 0, NOVEMBER_US, 7)[1]
    return dict(rate_fields(decision, "free", NOVEMBER_US, legacy=legacy))


def test_the_specification_s_example() -> None:
    """GW-504: policy and remaining after one request of a full Free account at 2026-11-20T15:04:05Z."""
    assert fields(FREE, State()) == {
        "X-Request-Cost": "1",
        "RateLimit-Policy": '"minute";q=100;w=60;veritape-burst=150,"hour";q=3000;w=3600,"month";q=50000;w=2592000,'
        '"concurrency";q=10;qu="concurrent-requests"',
        "RateLimit": '"minute";r=149;t=1,"hour";r=2999;t=2,"month";r=49999;t=896155,"concurrency";r=9',
    }


def test_a_denial_waits_until_the_request_would_pass() -> None:
    """GW-504, GW-206: t of the denying limit is Retry-After; partial units are floored."""
    state = State(minute=Bucket(89_400_000 - 250_000, 0, 600), slots=10)
    found = fields(FREE, state, 2_000)
    assert found["Retry-After"] == "1"
    assert (
        found["RateLimit"] == '"minute";r=1;t=1,"hour";r=3000;t=0,"month";r=50000;t=0,"concurrency";r=0;t=1'
    )


def test_older_names_speak_of_the_minute() -> None:
    """GW-505: limit, remaining and the second at which the bucket is full."""
    found = fields(FREE, State(), legacy=True)
    assert {name: value for name, value in found.items() if name.startswith("X-")} == {
        "X-Request-Cost": "1",
        "X-Quota-Tier": "free",
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "149",
        "X-RateLimit-Reset": "1795187046",
        "X-Quota-Monthly-Remaining": "49999",
    }


def test_a_caller_without_limits_gets_neither_field() -> None:
    """GW-504: limits that do not apply are left out."""
    assert fields(Limits(), State()) == {"X-Request-Cost": "1"}


def test_units_are_shown_without_needless_zeros() -> None:
    """GW-001: headers show units."""
    assert [units_text(mu) for mu in (0, 1, 500, 1_000, 1_250, 100_000)] == [
        "0",
        "0.001",
        "0.5",
        "1",
        "1.25",
        "100",
    ]
