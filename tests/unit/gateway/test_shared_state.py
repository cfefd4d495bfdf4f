"""What one call does to the state of a shared store."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.quota import MU, Bucket, Limits, State, evaluate, make_rule
from veritape.gateway.shared_state import (
    BACK_LIMIT_US,
    Ask,
    Lease,
    Month,
    Subject,
    ask,
    raised,
    rebased,
    tidy,
)

FREE = Limits(make_rule(100, 60, 150), make_rule(3_000, 3_600, 3_000), 50_000 * MU, 10)
PRO = Limits(make_rule(1_000, 60, 1_500))
KNOWN = Subject(month=Month(0, {}))
NOW_US = 1_795_187_045_000_000


def call(cost_mu: int = MU, limits: Limits = FREE, mine_mu: int = 0, slot: str = "s") -> Ask:
    return Ask(limits, cost_mu, "b1", mine_mu, slot, 65_000_000)


def test_an_admission_writes_bucket_month_and_slot() -> None:
    """GW-257: all of them, from one decision."""
    outcome = ask(KNOWN, call(), NOW_US, 7)
    assert outcome.decision is not None
    assert outcome.decision.admitted
    assert outcome.after == Subject(
        Bucket(600_000, NOW_US, 600), Bucket(1_200_000, NOW_US, 1_200), Month(1_000, {"b1": 1_000}),
        {"s": NOW_US + 65_000_000},
    )  # fmt: skip
    assert outcome.mine_mu == 1_000


def test_a_denial_leaves_everything_as_it_was() -> None:
    """GW-208: the month denies, buckets and slots stay."""
    full = KNOWN._replace(month=Month(50_000 * MU, {"b1": 50_000 * MU}))
    outcome = ask(full, call(mine_mu=50_000 * MU), NOW_US, 7)
    assert outcome.decision is not None
    assert (outcome.decision.reason, outcome.after) == ("month_quota_exhausted", full)


def test_an_unknown_month_has_to_be_brought() -> None:
    """GW-258: nobody is admitted on a month that is not known."""
    assert ask(Subject(), call(), NOW_US, 7).decision is None
    uncounted = Ask(PRO, MU, "", 0, "", 1)
    assert ask(Subject(), uncounted, NOW_US, 7).decision is not None


def test_a_boot_raises_its_share_to_what_it_surely_charged() -> None:
    """GW-257: a charge that was lost comes back with the next call, before it is decided."""
    outcome = ask(
        KNOWN._replace(month=Month(5_000, {"b1": 2_000, "b2": 3_000})), call(mine_mu=4_000), NOW_US, 7
    )
    assert outcome.after.month == Month(8_000, {"b1": 5_000, "b2": 3_000})
    assert raised(KNOWN, Month(9, {"b1": 9}), "b1", 8)[1] == 9


def test_the_worked_example_of_leases() -> None:
    """GW-304: at 540 ms the seventy units that a dead worker held become debt, and decay from then on."""
    bucket = Bucket(30_000 * 60, 40_000, 60)
    subject = Subject(minute=bucket, month=Month(0, {}), leases={"A": Lease(70_000, 540_000)})
    before = tidy(subject, PRO, 539_999)
    assert (before.minute, before.leases) == (bucket, subject.leases)
    after = tidy(subject, PRO, 540_000)
    assert after.leases == {}
    assert after.minute.debt == (30_000 + 70_000) * 60 - 500_000
    assert round(after.minute.debt / 60_000, 3) == 91.667
    assert tidy(subject, PRO, 6_040_000).minute == after.minute
    assert tidy(subject, Limits(), 540_000).minute == bucket


def test_what_leases_hold_is_not_free() -> None:
    """GW-301: 1,350 free for others while 120 are held and 30 owed."""
    subject = Subject(
        Bucket(30_000 * 60, NOW_US, 60), leases={"A": Lease(120_000, NOW_US + 500_000)}, month=Month(0, {})
    )
    admitted = ask(subject, call(1_350 * MU, PRO), NOW_US, 7).decision
    denied = ask(subject, call(1_350 * MU + 1, PRO), NOW_US, 7).decision
    assert admitted is not None
    assert denied is not None
    assert (admitted.admitted, denied.admitted, denied.limits[0].wait_us) == (True, False, 60)
    waits_for_lease = ask(subject._replace(minute=Bucket(0, NOW_US, 60)), call(1_400 * MU, PRO), NOW_US, 7)
    assert waits_for_lease.decision is not None
    assert waits_for_lease.decision.limits[0].wait_us == 500_000


def test_slots_past_their_end_are_free() -> None:
    """GW-210: a worker that died gives its slots back after their deadline."""
    subject = KNOWN._replace(slots={f"dead{n}": NOW_US + n for n in range(10)})
    full = ask(subject, call(), NOW_US - 1, 7).decision
    assert full is not None
    assert full.reason == "concurrency_limited"
    assert set(ask(subject, call(), NOW_US, 7).after.slots) == {f"dead{n}" for n in range(1, 10)} | {"s"}


def test_a_clock_that_went_far_back_begins_anew_there() -> None:
    """GW-207: by five seconds no refill until it caught up, by more the debt stays and refill goes on."""
    assert rebased(Bucket(5, NOW_US, 1), NOW_US - BACK_LIMIT_US).at_us == NOW_US
    assert rebased(Bucket(5, NOW_US, 1), NOW_US - BACK_LIMIT_US - 1) == Bucket(
        5, NOW_US - BACK_LIMIT_US - 1, 1
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 3_000_000), st.integers(1, 20_000), st.sampled_from("abc")), max_size=40
    )
)
def test_without_leases_it_decides_as_one_process_does(steps: list[tuple[int, int, str]]) -> None:
    """GW-251: equal histories, equal answers, whoever asks."""
    limits = FREE._replace(concurrency=None)
    shared, alone, own, now_us = KNOWN, State(), dict.fromkeys("abc", 0), NOW_US
    for passed_us, cost_mu, boot in steps:
        now_us += passed_us
        outcome = ask(shared, Ask(limits, cost_mu, boot, own[boot], "", 1), now_us, 7)
        alone, decision = evaluate(limits, alone, cost_mu, now_us, now_us, 7)
        assert outcome.decision == decision
        shared = outcome.after
        own[boot] = outcome.mine_mu
    assert shared.month is not None
    assert (shared.month.total_mu, shared.minute, shared.hour) == (alone.used_mu, alone.minute, alone.hour)
    assert shared.month.total_mu == sum(shared.month.shares_mu.values())
