"""Keys, arguments and answers of the shared store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.quota import MU, Limits, State, make_rule
from veritape.gateway.shared_calls import (
    Code,
    Reply,
    decide_arguments,
    decision_of,
    keys_of,
    named_period,
    period_of,
    read_reply,
    status_arguments,
)
from veritape.gateway.shared_state import Ask
from veritape.kernel.errors import PeerError

FREE = Limits(make_rule(100, 60, 150), None, 50_000 * MU, 10)
NOW_US = 1_795_187_045_000_000
CALL = Ask(FREE, MU, "b1", 5, "b1:1", 65_000_000)
FULL = [1, NOW_US, 600_000, NOW_US, 600, 0, 0, 0, 1_000, 1, 0, 0, 1_000, 0]


def test_the_keys_of_a_subject_share_one_tag() -> None:
    """GW-255: so one call touches one slot of a cluster; crc32("acme:live") mod 64 is 9."""
    assert keys_of("acme:live", "2026-11", 64) == [
        b"vt1:{9}:b:acme:live", b"vt1:{9}:q:acme:live:202611", b"vt1:{9}:c:acme:live", b"vt1:{9}:l:acme:live",
    ]  # fmt: skip


def test_a_month_by_its_name_and_by_a_moment() -> None:
    """GW-209, GW-255: its bounds, and 62 days more for the key."""
    november = period_of(NOW_US)
    assert november == named_period("2026-11")
    assert (november.start_us, november.end_us) == (1_793_491_200_000_000, 1_796_083_200_000_000)
    assert november.expire_ms == b"%d" % ((1_796_083_200 + 62 * 86_400) * 1_000)
    assert named_period("2026-12").start_us == november.end_us


def test_arguments() -> None:
    """GW-257: limits that do not apply are empty; a billed overage does not deny."""
    november = period_of(NOW_US)
    assert decide_arguments(CALL, november) == [
        b"1000", b"1", b"600", b"90000000", b"", b"", b"", b"50000000", b"1793491200000000", b"1796083200000000", b"10",
        b"b1:1", b"65000000", b"b1", b"5",
    ]  # fmt: skip
    billed = CALL._replace(limits=FREE._replace(overage=True, concurrency=None))
    assert (decide_arguments(billed, november)[7], decide_arguments(billed, november)[10]) == (b"", b"")
    assert status_arguments(FREE) == [b"1", b"600", b"90000000", b"", b"", b""]


def test_a_decision_is_computed_from_the_state() -> None:
    """GW-214: remaining, waits and next come from the answer's state by the same arithmetic."""
    decision = decision_of(read_reply(FULL), CALL, 7)
    assert (decision.admitted, [limit.remaining_mu for limit in decision.limits]) == (
        True,
        [49_999_000, 149_000, 9_000],
    )
    denied = [0, NOW_US, 90_000_000, NOW_US, 600, 0, 0, 0, 150_000, 0, 0, 0, 150_000, 0]
    decision = decision_of(read_reply(denied), CALL, 7)
    assert (decision.reason, decision.retry_after_s) == ("rate_limited", 1)


def test_a_refusal_that_its_own_state_contradicts_is_an_error() -> None:
    """GW-349: a store that answers garbage is a failed store, not a wrong answer to the client."""
    with pytest.raises(PeerError, match="refused what its own state admits"):
        decision_of(Reply(Code.DENIED, NOW_US, State(), 0, 0), CALL, 7)


@pytest.mark.parametrize(
    "answer", [None, b"OK", [], [1], [1, 2], [2], [2, 3, 4], FULL[:-1], [7, *FULL[1:]], [b"1", *FULL[1:]]]
)
def test_what_is_no_answer_is_refused(answer: object) -> None:
    """GW-349: any other shape."""
    with pytest.raises(PeerError, match="the store answered"):
        read_reply(answer)


@given(st.lists(st.integers() | st.binary(max_size=3), max_size=16))
def test_reading_is_total(answer: list[object]) -> None:
    """GW-349: any list gives an answer or a reason."""
    try:
        read_reply(answer)
    except PeerError:
        return
