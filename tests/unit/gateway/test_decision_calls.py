"""Bodies of the decision API."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import decision_calls as calls
from veritape.gateway.decision_calls import Check, Reset, read_check, read_reset, standing
from veritape.gateway.fast_quota import Tally, judge, plan_of
from veritape.gateway.keys import Environment
from veritape.gateway.problems import RefusedError
from veritape.gateway.quota import LimitName, Limits, make_rule
from veritape.gateway.reasons import Reason

NOVEMBER_US = 1_795_187_045_000_000


def body(**members: Any) -> bytes:
    """Return a body."""
    return json.dumps(members).encode()


def test_a_check_is_read() -> None:
    """GW-621: by account, key or address; the query of the endpoint is not looked at."""
    found = read_check(
        body(account="acme", endpoint="/a?b=c", method="POST", items=3, dry_run=True, environment="test")
    )
    assert found == Check("", "acme", Environment.TEST, "/a", "POST", None, 3, dry_run=True)
    assert read_check(body(api_key="k", endpoint="/a", client_ip="::ffff:192.0.2.1")).client_ip is not None
    assert str(read_check(body(endpoint="/a", client_ip="2001:db8::1")).client_ip) == "2001:db8::1"


def test_a_reset_is_read() -> None:
    """GW-621: all buckets, or one."""
    assert read_reset(body(account="acme")) == Reset("acme")
    assert read_reset(body(account="acme", limit="hour", environment="test")).limit is LimitName.HOUR


@pytest.mark.parametrize(
    "members",
    [
        {}, {"endpoint": "/a"}, {"account": "a"}, {"account": "a", "endpoint": "a"}, {"account": "a", "api_key": "k", "endpoint": "/a"},
        {"account": 1, "endpoint": "/a"}, {"account": "a", "endpoint": "/a", "items": 0}, {"account": "a", "endpoint": "/a", "items": True},
        {"account": "a", "endpoint": "/a", "items": 1_001}, {"account": "a", "endpoint": "/a", "dry_run": 1},
        {"account": "a", "endpoint": "/a", "client_ip": "nowhere"}, {"account": "a", "endpoint": "/a", "client_ip": "fe80::1%eth0"},
        {"account": "a", "endpoint": "/a", "environment": "prod"}, {"account": "a", "endpoint": "/a", "other": 1},
        {"account": "a" * 2_049, "endpoint": "/a"}, {"account": "a\n", "endpoint": "/a"},
    ],
    ids=str,
)  # fmt: skip
def test_a_check_that_is_none_is_refused(members: dict[str, Any]) -> None:
    """GW-622: 400 bad_parameter, with what is wrong."""
    with pytest.raises(RefusedError) as caught:
        read_check(body(**members))
    assert caught.value.reason is Reason.BAD_PARAMETER
    assert caught.value.detail


@pytest.mark.parametrize(
    "members", [{}, {"account": "a", "limit": "month"}, {"account": "a", "more": 1}], ids=str
)
def test_a_reset_that_is_none_is_refused(members: dict[str, Any]) -> None:
    """GW-621: the month is never set back by it."""
    with pytest.raises(RefusedError):
        read_reset(body(**members))


@pytest.mark.parametrize(
    "octets", [b"", b"[]", b"{", b"\xff", b'{"a":1,"a":2}', b"[" * 10_000, b"null"], ids=str
)
def test_bytes_that_are_no_object_are_refused(octets: bytes) -> None:
    """GW-622: also a member that stands twice, and nesting without end."""
    with pytest.raises(RefusedError) as caught:
        read_check(octets)
    assert caught.value.reason is Reason.BAD_PARAMETER


def test_a_long_body_is_too_large() -> None:
    """GW-622: above 16 KiB."""
    with pytest.raises(RefusedError) as caught:
        read_check(b" " * (calls.BODY_LIMIT_BYTES + 1))
    assert caught.value.reason is Reason.BODY_TOO_LARGE


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps({"account": v, "endpoint": v}).encode()))  # fmt: skip
def test_no_bytes_break_the_reader(octets: bytes) -> None:
    """GW-973: a check or a refusal, nothing else."""
    with contextlib.suppress(RefusedError):
        assert isinstance(read_check(octets), Check)


def test_a_standing_says_what_is_left() -> None:
    """GW-621: minute, month and cost; null where there is no such limit; the reason of a denial."""
    limits = Limits(make_rule(100, 60, 150), month_mu=50_000_000)
    verdict = judge(plan_of(limits, 1_000, 7), Tally(), 0, NOVEMBER_US)
    assert standing(verdict.unfolded(), "free", NOVEMBER_US) == {
        "allowed": True, "quota_tier": "free", "limit": 100, "remaining": 149, "reset_at": 1_795_187_046,
        "monthly_remaining": 49_999, "cost": "1",
    }  # fmt: skip
    denied = judge(plan_of(limits, 150_500, 7), Tally(), 0, NOVEMBER_US).unfolded()
    found = standing(denied, "free", NOVEMBER_US)
    assert (found["allowed"], found["error"], found["limit"]) == (False, "cost_exceeds_burst", None)
    assert calls.refusal(Reason.INVALID_KEY) == {"allowed": False, "error": "invalid_key"}
