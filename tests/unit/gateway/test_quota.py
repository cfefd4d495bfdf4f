"""The decision engine against its worked examples, a rational reference and random histories."""

import random
from bisect import bisect_left
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import quota
from veritape.gateway.quota import (
    EMPTY,
    MICROSECONDS,
    Admitted,
    Bucket,
    Decision,
    Denied,
    LimitName,
    Limits,
    Never,
    Rule,
    State,
)  # fmt: skip
from veritape.gateway.reasons import Reason

FREE_MINUTE = quota.make_rule(100, 60, 150)
FREE_HOUR = quota.make_rule(3_000, 3_600, 3_000)
FREE = Limits(FREE_MINUTE, FREE_HOUR, 50_000_000, 10)
NOVEMBER_US = 1_795_187_045 * MICROSECONDS
"""2026-11-20T15:04:05Z."""

rules = st.builds(
    quota.make_rule, st.integers(1, 100_000), st.sampled_from([1, 60, 3_600]), st.integers(1, 10_000)
)


def take(
    bucket: Bucket, rule: Rule, cost_mu: int, now_us: int, times: int
) -> tuple[Bucket, list[quota.Answer]]:
    answers = []
    for _ in range(times):
        bucket, answer = quota.decide(bucket, rule, cost_mu, now_us)
        answers.append(answer)
    return bucket, answers


def evaluate(
    limits: Limits, state: State, cost: int = 1, now_us: int = 0, wall_us: int = NOVEMBER_US
) -> tuple[State, Decision]:
    return quota.evaluate(limits, state, cost * 1_000, now_us, wall_us, 7)


@pytest.mark.parametrize(
    ("limit", "window_s", "burst", "gain", "weight", "cap", "full_us"),
    [
        (100, 60, 150, 1, 600, 90_000_000, 90_000_000),
        (1_000, 60, 1_500, 1, 60, 90_000_000, 90_000_000),
        (3_000, 3_600, 3_000, 1, 1_200, 3_600_000_000, 3_600_000_000),
        (30, 60, 45, 1, 2_000, 90_000_000, 90_000_000),
        (7, 60, 10, 7, 60_000, 600_000_000, 85_714_286),
    ],
)
def test_scale_of_the_table(
    limit: int, window_s: int, burst: int, gain: int, weight: int, cap: int, full_us: int
) -> None:
    """GW-201: the table's gains, weights, caps and times to full."""
    rule = quota.make_rule(limit, window_s, burst)
    assert (rule.gain, rule.weight, rule.burst_mu * rule.weight) == (gain, weight, cap)
    assert rule.full_after_us == full_us


def test_worked_examples_of_the_minute_bucket() -> None:
    """GW-202, GW-206: the worked examples, to the microsecond."""
    bucket, answers = take(EMPTY, FREE_MINUTE, 1_000, 0, 150)
    assert all(isinstance(answer, Admitted) for answer in answers)
    assert answers[-1] == Admitted(0)
    assert bucket.debt == 90_000_000
    assert quota.decide(bucket, FREE_MINUTE, 1_000, 0) == (bucket, Denied(600_000, 0))
    assert quota.decide(bucket, FREE_MINUTE, 1_000, 599_999)[1] == Denied(1, 999)
    bucket, answer = quota.decide(bucket, FREE_MINUTE, 1_000, 600_000)
    assert (bucket.debt, answer) == (90_000_000, Admitted(0))
    assert quota.decide(bucket, FREE_MINUTE, 2_000, 600_000)[1] == Denied(1_200_000, 0)


def test_compare_costs_two_and_partial_units_are_kept() -> None:
    """GW-144, GW-202: 75 calls of cost 2 from a full bucket; 1,416 mu are left of 149 spent after 250 ms."""
    bucket, answers = take(EMPTY, FREE_MINUTE, 2_000, 0, 76)
    assert [isinstance(answer, Admitted) for answer in answers] == [True] * 75 + [False]
    bucket, _ = take(EMPTY, FREE_MINUTE, 1_000, 1_000_000, 149)
    assert bucket.debt == 89_400_000
    assert quota.decide(bucket, FREE_MINUTE, 2_000, 1_250_000) == (bucket, Denied(350_000, 1_416))


def test_never_too_little_at_any_demand() -> None:
    """GW-205: 100 a minute at demand 2, 10, 100 and 1,000 a second admits 1,149 in the 600 s from a full bucket."""
    for demand in (2, 10, 100, 1_000):
        bucket, admitted = EMPTY, 0
        for step in range(600 * demand):
            bucket, answer = quota.decide(bucket, FREE_MINUTE, 1_000, step * MICROSECONDS // demand)
            admitted += isinstance(answer, Admitted)
        assert admitted == 1_149


def test_a_client_at_the_minute_rate_meets_the_hour_after_57_minutes() -> None:
    """GW-143: 150 + 100 t = 3,000 + 50 t, so the hour's bucket denies first at t = 57 minutes."""
    state, now_us = State(), 0
    limits = FREE._replace(month_mu=None, concurrency=None)
    while True:
        after, decision = evaluate(limits, state, now_us=now_us)
        if not decision.admitted:
            if LimitName.HOUR in decision.violated:
                break
            now_us += next(part.wait_us for part in decision.limits if part.wait_us)
            continue
        state = after
    assert now_us // (60 * MICROSECONDS) == 56 or now_us == 57 * 60 * MICROSECONDS


def greedy_admissions(rule: Rule, until_us: int) -> list[int]:
    """Return when a client that always asks again as soon as it is told to is admitted."""
    bucket, now_us, times = EMPTY, 0, []
    while now_us < until_us:
        bucket, answer = quota.decide(bucket, rule, quota.MU, now_us)
        if isinstance(answer, Denied):
            now_us += answer.wait_us
        else:
            times.append(now_us)
    return times


@pytest.mark.parametrize(
    ("limit", "burst", "at_once", "in_60_s"),
    [(100, 150, 150, 250), (50, 50, 50, 100), (1_000, 1_500, 1_500, 2_500)],
)
def test_what_a_minutes_limit_promises(limit: int, burst: int, at_once: int, in_60_s: int) -> None:
    """GW-142: so many at once, so many in any 60 s and never more, then the limit each minute; the guide says so."""
    minute_us = 60 * MICROSECONDS
    times = greedy_admissions(quota.make_rule(limit, 60, burst), 10 * minute_us)
    assert times.count(0) == at_once
    most = max(bisect_left(times, start + minute_us + 1) - place for place, start in enumerate(times))
    assert most == in_60_s
    for minute in range(1, 9):
        inside = bisect_left(times, (minute + 1) * minute_us) - bisect_left(times, minute * minute_us)
        assert inside == limit
    guide = (Path(__file__).resolve().parents[3] / "docs/guides/gateway.md").read_text()
    words = " ".join(guide.split())
    assert (
        '"100 a minute, burst 150" means: at most 150 at once, at most 150 + 100 = 250 in any 60 s, 100.0 a minute from'
        " then on. Who needs at most 100 in any 60 s sets limit 50, burst 50."
    ) in words


@given(rules, st.integers(1, 10**7), st.integers(0, 10**6), st.integers(0, 10**12), st.integers(0, 10**9))
def test_retry_is_exact(rule: Rule, cost_mu: int, share: int, at_us: int, later_us: int) -> None:
    """GW-206: repeated after the wait the request is admitted, one microsecond earlier it is denied."""
    bucket = Bucket(rule.burst_mu * rule.weight * share // 10**6, at_us, rule.weight)
    after, answer = quota.decide(bucket, rule, cost_mu, at_us + later_us)
    if isinstance(answer, Denied):
        assert after is bucket
        now_us = at_us + later_us + answer.wait_us
        assert isinstance(quota.decide(bucket, rule, cost_mu, now_us)[1], Admitted)
        assert isinstance(quota.decide(bucket, rule, cost_mu, now_us - 1)[1], Denied)
    elif isinstance(answer, Never):
        assert cost_mu > rule.burst_mu
        assert after is bucket


def history(rng: random.Random) -> None:
    """Compare with the textbook bucket in rational tokens, and check every window of what was admitted."""
    rule = quota.make_rule(rng.randint(1, 2_000), rng.choice([1, 60, 3_600]), rng.randint(1, 300))
    now_us, at_us = rng.randrange(10**9, 10**15), 0
    bucket, tokens_mu, log = EMPTY, Fraction(rule.burst_mu), list[tuple[int, int]]()
    for _ in range(rng.randint(3, 24)):
        now_us += rng.choice([-4_000_000, 0, 0, 1, 999, rng.randrange(10**6), rng.randrange(10**8)])
        cost_mu = rng.choice([1_000, 2_000, 5_000, rng.randint(1, 10_000)])
        refill = Fraction(max(0, now_us - at_us) * rule.limit * 1_000, rule.window_s * 10**6)
        left_mu = min(Fraction(rule.burst_mu), tokens_mu + refill)
        after, answer = quota.decide(bucket, rule, cost_mu, now_us)
        assert isinstance(answer, Admitted) == (cost_mu <= left_mu)
        if isinstance(answer, Admitted):
            tokens_mu, at_us = left_mu - cost_mu, max(at_us, now_us)
            log.append((at_us, cost_mu))
        else:
            assert after is bucket
        bucket = after
    for first, (start_us, _) in enumerate(log):
        admitted_mu = 0
        for end_us, cost_mu in log[first:]:
            admitted_mu += cost_mu
            assert (admitted_mu - rule.burst_mu) * rule.weight <= (end_us - start_us) * rule.gain


def test_ten_thousand_histories_never_exceed_burst_plus_rate_times_time() -> None:
    """GW-204, GW-961: every window of 10,000 random histories with clock steps; the rational bucket agrees; a denial is free."""
    rng = random.Random(204)
    for _ in range(10_000):
        history(rng)


def test_a_clock_that_went_back_gives_no_credit() -> None:
    """GW-207: no refill until the clock has caught up, and the wait counts the way back."""
    bucket, _ = take(EMPTY, FREE_MINUTE, 1_000, 5_000_000, 150)
    assert quota.decide(bucket, FREE_MINUTE, 1_000, 4_000_000)[1] == Denied(1_600_000, 0)


def test_a_changed_rule_keeps_what_is_owed() -> None:
    """GW-211: Free 140 owed, then Pro: 1,360 left at once."""
    bucket, _ = take(EMPTY, FREE_MINUTE, 1_000, 0, 140)
    after, answer = quota.decide(bucket, quota.make_rule(1_000, 60, 1_500), 0, 0)
    assert answer == Admitted(1_360_000)
    assert after.weight == 60


def test_held_units_occupy_the_bucket() -> None:
    """GW-202: a denial that waits for a lease says when the lease ends."""
    _, answer = quota.decide(EMPTY, FREE_MINUTE, 1_000, 1_000, held_mu=150_000, lease_end_us=501_000)
    assert answer == Denied(500_000, 0)


@pytest.mark.parametrize("which", ["month", "hour", "minute", "concurrency"])
def test_one_limit_denies_and_nothing_is_written(which: str) -> None:
    """GW-208: each limit in turn denies; the state returned is the very one given, the reason is its own."""
    full = {
        "month": State(used_mu=50_000_000),
        "hour": State(hour=Bucket(3_600_000_000, 0, 1_200)),
        "minute": State(minute=Bucket(90_000_000, 0, 600)),
        "concurrency": State(slots=10),
    }[which]
    after, decision = evaluate(FREE, full)
    assert after is full
    assert decision.violated == (LimitName(which),)
    expected = {"month": Reason.MONTH_QUOTA_EXHAUSTED, "concurrency": Reason.CONCURRENCY_LIMITED}
    assert decision.reason is expected.get(which, Reason.RATE_LIMITED)
    others = {part.name: part.remaining_mu for part in decision.limits if part.name != which}
    untouched = {part.name: part.remaining_mu for part in evaluate(FREE, State())[1].limits}
    assert all(left >= untouched[name] for name, left in others.items())


def test_the_longest_wait_names_the_reason_and_every_violation_is_listed() -> None:
    """GW-208: reason and Retry-After come from the limit with the longest wait."""
    state = State(minute=Bucket(90_000_000, 0, 600), used_mu=50_000_000, slots=10)
    decision = evaluate(FREE, state)[1]
    assert decision.violated == (LimitName.MONTH, LimitName.MINUTE, LimitName.CONCURRENCY)
    assert decision.reason is Reason.MONTH_QUOTA_EXHAUSTED


def test_month_example() -> None:
    """GW-209: 49,999 of 50,000 used, a cost of 2 at 2026-11-20T15:04:05Z waits 896,155 s; the bucket is unchanged."""
    state = State(used_mu=49_999_000)
    after, decision = evaluate(FREE, state, cost=2)
    assert after is state
    assert (decision.reason, decision.retry_after_s) == (Reason.MONTH_QUOTA_EXHAUSTED, 896_155)
    assert decision.period == "2026-11"
    assert evaluate(FREE, state, cost=1)[1].admitted
    assert evaluate(FREE._replace(overage=True), state, cost=2)[0].used_mu == 50_001_000


def test_december_ends_in_january() -> None:
    """GW-209: the next month of December is January of the next year, and a month's length is its own."""
    month = quota.month_of(1_798_761_599 * MICROSECONDS)
    assert month == quota.Month("2026-12", 31 * 86_400, MICROSECONDS)
    assert quota.month_of(1_798_761_600 * MICROSECONDS).period == "2027-01"


def test_an_admission_says_what_is_left() -> None:
    """GW-214, GW-504: after one of a full Free account: 149, 2,999, 49,999 and 9 left, with the seconds to one more."""
    _, decision = evaluate(FREE, State())
    assert [(p.name.value, p.remaining_mu, p.wait_us, p.next_us) for p in decision.limits] == [
        ("month", 49_999_000, 0, 896_155 * MICROSECONDS),
        ("hour", 2_999_000, 0, 1_200_000),
        ("minute", 149_000, 0, 600_000),
        ("concurrency", 9_000, 0, 0),
    ]
    assert (decision.mode.value, decision.policy_version, decision.cost_mu) == ("exact", 7, 1_000)


def test_a_full_bucket_waits_for_nothing() -> None:
    """GW-504: a full bucket has t = 0."""
    _, decision = evaluate(FREE, State(slots=10))
    assert [part.next_us for part in decision.limits] == [0, 0, 0, 0]


def test_a_cost_above_the_burst_can_never_pass() -> None:
    """GW-145: 422 instead of a 429 that would be a lie."""
    state = State()
    after, decision = evaluate(FREE, state, cost=151)
    assert after is state
    assert (decision.reason, decision.retry_after_s, decision.limits) == (Reason.COST_EXCEEDS_BURST, 0, ())


def test_an_account_without_limits_is_admitted_and_metered() -> None:
    """GW-004: absent limits are unlimited; the use is counted all the same."""
    after, decision = evaluate(Limits(), State())
    assert (decision.admitted, decision.limits, after.used_mu, after.slots) == (True, (), 1_000, 1)


def test_numbers_that_no_store_can_hold_are_refused() -> None:
    """GW-203: the largest burst that fits is named."""
    with pytest.raises(ValueError, match=r"^\d+$") as refusal:
        quota.make_rule(999_999_999, 3_600, 10**10)
    largest = refusal.value.args[0]
    rule = quota.make_rule(999_999_999, 3_600, largest)
    assert 3 * rule.burst_mu * rule.weight + rule.gain <= quota.EXACT_LIMIT
