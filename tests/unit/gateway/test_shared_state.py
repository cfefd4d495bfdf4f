"""What one call does to the state of a shared store."""

from hypothesis import given, settings
from hypothesis import strategies as st

from veritape.gateway.quota import MU, Bucket, Limits, State, evaluate, make_rule
from veritape.gateway.shared_state import (
    BACK_LIMIT_US,
    Ask,
    Lease,
    Month,
    Renewal,
    RenewalCode,
    Subject,
    ask,
    raised,
    rebased,
    renew,
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


def renewal(
    boot: str,
    spent_mu: int,
    wanted_mu: int,
    mine_mu: int = 0,
    limits: Limits = PRO,
    slots: int = 0,
    left_mu: int = 0,
) -> Renewal:
    return Renewal(
        limits,
        boot,
        mine_mu,
        spent_mu,
        left_mu,
        wanted_mu,
        1,
        50_000,
        750_000,
        500_000,
        2,
        slots,
        exact=False,
    )


def test_the_worked_example_of_two_workers() -> None:
    """GW-303, GW-310: leases, reports, a worker that is killed, and what is withheld until it decays."""
    t0 = NOW_US
    subject = KNOWN

    def step(at_ms: int, boot: str, spent_mu: int, wanted_mu: int, mine_mu: int) -> tuple[int, int, int]:
        nonlocal subject
        left_mu = subject.leases.get(boot, Lease(0, 0)).held_mu - spent_mu
        call = renewal(boot, spent_mu, wanted_mu, mine_mu, left_mu=left_mu)
        renewed = renew(subject, call, t0 + at_ms * 1_000)
        assert renewed is not None
        subject = renewed.after
        held = sum(lease.held_mu for lease in subject.leases.values())
        free = (90_000_000 - subject.minute.debt) // 60 - held
        return subject.minute.debt // 60, held, free

    assert step(0, "A", 0, 50_000, 0) == (0, 50_000, 1_450_000)
    assert step(10, "B", 0, 50_000, 0) == (0, 100_000, 1_400_000)
    assert step(40, "A", 30_000, 50_000, 50_000) == (30_000, 100_000, 1_370_000)
    assert subject.leases["A"] == Lease(50_000, t0 + 540_000)
    assert step(300, "B", 0, 0, 50_000)[1] == 50_000
    assert subject.month == Month(80_000, {"A": 80_000, "B": 0})
    after = tidy(subject, PRO, t0 + 540_000)
    assert (after.minute.debt, after.leases) == (30_000 * 60 - 500_000 + 50_000 * 60, {})
    late = renew(subject, renewal("A", 10_000, 50_000, 80_000), t0 + 540_000)
    assert late is not None
    assert (late.code, late.granted_mu, late.after.minute) == (RenewalCode.ENDED, 0, after.minute)
    returned = renew(subject, renewal("A", 0, 0), t0 + 540_000)
    assert returned is not None
    assert (returned.code, returned.after.minute) == (RenewalCode.ENDED, after.minute)


def test_what_is_granted_is_bounded_by_everything() -> None:
    """GW-303, GW-309: by what is wanted, the lease's most, all leases' most, the bucket, and a part of the month."""

    def grant(subject: Subject, call: Renewal) -> int:
        renewed = renew(subject, call, NOW_US)
        assert renewed is not None
        return renewed.granted_mu

    assert grant(KNOWN, renewal("A", 0, 7_000)) == 7_000
    assert grant(KNOWN, renewal("A", 0, 90_000)) == 50_000
    others = KNOWN._replace(leases={"B": Lease(740_000, NOW_US + 1)})
    assert grant(others, renewal("A", 0, 50_000)) == 10_000
    empty = KNOWN._replace(minute=Bucket(90_000_000 - 60 * 900, NOW_US, 60))
    assert grant(empty, renewal("A", 0, 50_000)) == 900
    assert grant(empty, renewal("A", 0, 50_000)._replace(least_mu=1_000)) == 0
    monthly = PRO._replace(month_mu=100_000)
    used = KNOWN._replace(month=Month(60_000, {}))
    assert grant(used, renewal("A", 0, 50_000, limits=monthly)) == 10_000
    assert grant(used, renewal("A", 0, 50_000, limits=monthly._replace(overage=True))) == 50_000
    assert renew(Subject(), renewal("A", 0, 1), NOW_US) is None


def test_what_a_worker_does_not_know_of_becomes_debt() -> None:
    """GW-301, GW-304: units of an answer that was lost, or of a report that may have been: nobody spends them again."""
    subject = KNOWN._replace(leases={"A": Lease(40_000, NOW_US + 1)}, month=Month(40_000, {"A": 40_000}))
    part = renew(subject, renewal("A", 10_000, 5_000, 30_000, left_mu=20_000)._replace(exact=True), NOW_US)
    assert part is not None
    assert (part.granted_mu, part.held_mu, part.after.minute.debt) == (5_000, 25_000, 20_000 * 60)
    assert part.after.month == Month(35_000, {"A": 35_000})
    returned = renew(subject, renewal("A", 0, 0, 40_000), NOW_US)
    assert returned is not None
    assert (returned.after.leases, returned.after.minute.debt, returned.mine_mu) == ({}, 40_000 * 60, 40_000)
    late = renew(subject, renewal("A", 50_000, 5_000), NOW_US)
    assert late is not None
    assert (late.code, late.after.leases, late.after.minute.debt) == (RenewalCode.ENDED, {}, 40_000 * 60)


def test_slots_are_leased_within_the_limit() -> None:
    """GW-311: blocks with the lease's end; the sum never exceeds the limit; they go with the lease."""
    limits = PRO._replace(concurrency=5)
    first = renew(KNOWN, renewal("A", 0, 1_000, limits=limits, slots=3), NOW_US)
    assert first is not None
    second = renew(first.after, renewal("B", 0, 1_000, limits=limits, slots=3), NOW_US)
    assert second is not None
    assert (first.slots, second.slots) == (3, 2)
    assert set(second.after.slots) == {"A/0", "A/1", "A/2", "B/0", "B/1"}
    refused = ask(second.after, call(limits=limits), NOW_US, 7).decision
    assert refused is not None
    assert refused.reason == "concurrency_limited"
    given_back = renew(second.after, renewal("A", 0, 0, limits=limits), NOW_US)
    assert given_back is not None
    assert set(given_back.after.slots) == {"B/0", "B/1"}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_leases_never_admit_more_than_burst_and_time(data: st.DataObject) -> None:
    """GW-301, GW-302, GW-963: three workers that lease, spend, report, return, get no answer and die; debt and held stay below the cap.

    The bound is checked for every window: an imaginary bucket that is charged at the true moment of each admission. What was
    admitted is always debt, or held, in the store's: nothing is spent twice.
    """
    subject, now_us = KNOWN, NOW_US
    held, spent, ends = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
    true_debt, true_at = 0, NOW_US
    rule = PRO.minute
    assert rule is not None
    for _ in range(60):
        now_us += data.draw(st.sampled_from([0, 1, 1_000, 40_000, 600_000]))
        boot = data.draw(st.sampled_from("abc"))
        action = data.draw(
            st.sampled_from(["spend", "spend", "spend", "renew", "return", "lost", "die", "plain"])
        )
        admitted_mu = 0
        if action == "spend" and now_us < ends[boot]:
            admitted_mu = min(held[boot], data.draw(st.integers(1, 60_000)))
            held[boot] -= admitted_mu
            spent[boot] += admitted_mu
        elif action in {"renew", "return", "lost"}:
            wanted_mu = 0 if action == "return" else 50_000
            renewed = renew(subject, renewal(boot, spent[boot], wanted_mu, left_mu=held[boot]), now_us)
            assert renewed is not None
            subject, spent[boot] = renewed.after, 0
            is_known = action != "lost" and renewed.code is not RenewalCode.ENDED
            held[boot], ends[boot] = (renewed.held_mu, renewed.end_us) if is_known else (0, 0)
        elif action == "die":
            held[boot], spent[boot], ends[boot] = 0, 0, 0
        elif action == "plain":
            outcome = ask(subject, Ask(PRO, 900_000, boot, 0, "", 1), now_us, 7)
            subject = outcome.after
            admitted_mu = 900_000 if outcome.decision and outcome.decision.admitted else 0
        true_debt = max(0, true_debt - (now_us - true_at) * rule.gain) + admitted_mu * rule.weight
        true_at = now_us
        assert true_debt <= rule.burst_mu * rule.weight
        settled = tidy(subject, PRO, now_us)
        debt = max(0, settled.minute.debt - max(0, now_us - settled.minute.at_us) * rule.gain)
        in_store = sum(lease.held_mu for lease in settled.leases.values())
        assert true_debt <= debt + in_store * rule.weight <= rule.burst_mu * rule.weight
