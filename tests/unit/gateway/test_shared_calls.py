"""Keys, arguments and answers of the shared store."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.answers import header_lines
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.quota import MU, Bucket, Limits, Mode, State, make_rule
from veritape.gateway.rate_fields import AdmittedFields, rate_fields, raw_fields
from veritape.gateway.shared_calls import (
    Code,
    LeaseReply,
    Reply,
    boot_share,
    decide_terms,
    keys_of,
    leased_verdict,
    named_period,
    period_of,
    read_admission,
    read_reply,
    status_arguments,
    verdict_of,
)
from veritape.gateway.shared_state import RenewalCode
from veritape.kernel.errors import PeerError

FREE = Limits(make_rule(100, 60, 150), None, 50_000 * MU, 10)
NOW_US = 1_795_187_045_000_000
PLAN = plan_of(FREE, MU, 7)
FULL = (1, NOW_US, 600_000, NOW_US, 600, 0, 0, 0, 1_000, 1, 0, 0, 1_000, 0)


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


def answer_of(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


def test_arguments() -> None:
    """GW-257: limits that do not apply are 0 or -1; a billed overage does not deny."""
    november = period_of(NOW_US)
    asked = struct.unpack("<13d", decide_terms(PLAN, 65_000_000, november) + boot_share(5))
    assert asked == (
        1_000, 1, 600, 90_000_000, 0, 0, 0, 50_000_000, 1_793_491_200_000_000, 1_796_083_200_000_000, 10, 65_000_000, 5,
    )  # fmt: skip
    billed = plan_of(FREE._replace(overage=True, concurrency=None), MU, 7)
    numbers = struct.unpack("<12d", decide_terms(billed, 65_000_000, november))
    assert (numbers[7], numbers[10]) == (-1, -1)
    assert status_arguments(FREE) == [b"1", b"600", b"90000000", b"", b"", b""]


def test_an_answer_is_a_state() -> None:
    """GW-257: code, clock, buckets, month, slots, leases, the boot's field, clocks rebased."""
    reply = read_reply(answer_of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13))
    assert reply == Reply(0, 1, (2, 3, 4), (5, 6, 7), 8, 9, 10, 11, 12, 13)
    assert reply.state == State(Bucket(2, 3, 4), Bucket(5, 6, 7), 8, 9, 10, 11)
    assert read_reply(answer_of(2, 7)) == Reply(Code.BRING_SUM, 7)


def test_a_decision_is_computed_from_the_state() -> None:
    """GW-214: remaining, waits and next come from the answer's state by the same arithmetic."""
    decision = verdict_of(read_reply(answer_of(*FULL)), PLAN).unfolded()
    assert (decision.admitted, [limit.remaining_mu for limit in decision.limits]) == (
        True,
        [49_999_000, 149_000, 9_000],
    )
    denied = answer_of(0, NOW_US, 90_000_000, NOW_US, 600, 0, 0, 0, 150_000, 0, 0, 0, 150_000, 0)
    decision = verdict_of(read_reply(denied), PLAN).unfolded()
    assert (decision.reason, decision.retry_after_s) == ("rate_limited", 1)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(Code.DENIED, NOW_US), "refused what its own state admits"),
        (Reply(Code.DENIED, NOW_US, (5, NOW_US, 0)), "debt without a weight"),
        (Reply(Code.ADMITTED, NOW_US, (5, NOW_US, 1)), "charged under other rules"),
        (Reply(Code.ADMITTED, NOW_US), "charged under other rules"),
    ],
)
def test_an_answer_that_its_own_state_contradicts_is_an_error(reply: Reply, why: str) -> None:
    """GW-349: a store that answers garbage is a failed store, not a wrong answer to the client."""
    with pytest.raises(PeerError, match=why):
        verdict_of(reply, PLAN)


def test_what_a_holder_has_not_spent_counts_as_left() -> None:
    """GW-301, GW-504: of 100 units that leases hold, 60 are the holder's; it spent 5 since, 2 requests are in progress."""
    state = State(Bucket(0, NOW_US, 600), Bucket(0, 0, 0), 70_000, 0, 100_000, NOW_US + 9)
    reply = LeaseReply(RenewalCode.DONE, NOW_US, state, 70_000, 60_000, 60_000, NOW_US + 9, 0, 3)
    verdict = leased_verdict(reply, PLAN, 5_000, 2)
    decision = verdict.unfolded()
    left_mu = {limit.name.value: limit.remaining_mu for limit in decision.limits}
    assert left_mu == {"month": 50_000_000 - 15_000, "minute": 150_000 - 40_000 - 5_000, "concurrency": 8_000}
    assert (decision.admitted, decision.mode, decision.period) == (True, Mode.LEASE, "2026-11")
    writer = AdmittedFields(PLAN, "100 %d", legacy=True)
    assert writer.lines(verdict) == header_lines(
        raw_fields(rate_fields(decision, "100 %d", NOW_US, legacy=True))
    )
    fields = AdmittedFields(PLAN, "free", legacy=False).of(verdict)
    assert fields == raw_fields(rate_fields(decision, "free", NOW_US, legacy=False))
    assert fields[-1] == (b"quota-state", b"lease")


@pytest.mark.parametrize(
    "answer",
    [
        None, 1, b"OK", "text", [], list(FULL), answer_of(*FULL[:-1]), answer_of(7, *FULL[1:]), answer_of(2, *FULL[1:]),
        answer_of(2), answer_of(1, 2), answer_of(2, 3, 4), b"",
        answer_of(1, -1, *FULL[2:]), answer_of(0, 2**53, *FULL[2:]), answer_of(3, 2**60),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(answer: object) -> None:
    """GW-349: any other shape."""
    with pytest.raises(PeerError, match="the store answered"):
        read_reply(answer)


@given(st.binary(max_size=120) | st.binary(min_size=112, max_size=112) | st.tuples(st.sampled_from([0, 1]), st.lists(
    st.integers(-(2**63), 2**63 - 1), min_size=13, max_size=13)).map(lambda pair: answer_of(pair[0], *pair[1])))  # fmt: skip
def test_reading_is_total(answer: bytes) -> None:
    """GW-349: any bytes give a verdict that can be unfolded, or a reason."""
    usual = read_admission(answer, PLAN)
    try:
        reply = read_reply(answer)
        if reply.code in {Code.DENIED, Code.ADMITTED}:
            verdict = verdict_of(reply, PLAN)
            verdict.unfolded()
            assert usual == ((verdict, reply.mine_mu, reply.rebased) if verdict.admitted else None)
    except PeerError:
        assert usual is None


@given(st.lists(st.integers(0, 2**53), min_size=10, max_size=10), st.booleans(), st.booleans())
def test_the_usual_answer_is_read_as_every_other(numbers: list[int], admits: bool, hour: bool) -> None:
    """GW-257, GW-603: an admission under the plan's rules is the same verdict by either way; anything else is left to the other."""
    plan = plan_of(Limits(FREE.minute, make_rule(7, 3_600, 9) if hour else None), MU, 7)
    one, two, three, four, *rest, last = numbers
    weights = (plan.minute.weight, plan.hour.weight)
    answer = answer_of(admits, NOW_US, one, two, weights[0], three, four, weights[1], *rest, last)
    usual = read_admission(answer, plan)
    if not admits:
        assert usual is None
        return
    reply = read_reply(answer)
    assert usual == (verdict_of(reply, plan), reply.mine_mu, reply.rebased)
    other = plan_of(Limits(make_rule(13, 60, 13)), MU, 7)
    assert read_admission(answer, other) is None
