"""The usual request in one function: it agrees with the usual way, and leaves alone what is not plain."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import quota
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.memory_store import SURE_US, MemoryStore
from veritape.gateway.quota import MICROSECONDS, Limits, make_rule
from veritape.gateway.rate_fields import AdmittedFields, RawFields
from veritape.gateway.straight_quota import Charge, straight

WALL_US = 1_795_187_045 * MICROSECONDS
"""2026-11-20T15:04:05Z."""
SUBJECT = "ip:any:203.0.113.7"
PLAIN = Limits(make_rule(100, 60, 150))

rules = st.builds(make_rule, st.integers(1, 2_000), st.sampled_from([1, 60, 3_600]), st.integers(1, 2_000))
steps = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 999, 60_000, 600_000, 5_000_000, 90_000_000, -1, -2_000_000]),
        st.sampled_from([1, 500, 1_000, 2_000, 60_000]),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)
"""Clock step, cost, and whether the other limits apply."""


def charge_of(store: MemoryStore, limits: Limits = PLAIN, cost_mu: int = 1_000) -> Charge:
    """Return what charges the subject."""
    made = straight(store, SUBJECT, plan_of(limits, cost_mu, 7), WALL_US)
    assert made is not None
    return made


def usual(store: MemoryStore, limits: Limits, cost_mu: int, now_us: int) -> RawFields | None:
    """Charge the usual way; return the fields, None of a denial."""
    plan = plan_of(limits, cost_mu, 7)
    verdict, _ = store.judge(SUBJECT, plan, now_us, WALL_US + now_us)
    return tuple(AdmittedFields(plan, "free", legacy=False).of(verdict)) if verdict.admitted else None


@given(
    st.tuples(rules, rules),
    st.tuples(st.none() | rules, st.none() | rules),
    steps,
)
def test_it_agrees_with_the_usual_way(
    minutes: tuple[quota.Rule, quota.Rule],
    hours: tuple[quota.Rule | None, quota.Rule | None],
    history: list[tuple[int, int, bool]],
) -> None:
    """GW-603, GW-204, GW-211: over random histories with changing limits and clocks that go back, fields and states are equal."""
    fast, slow, charges = MemoryStore(), MemoryStore(), dict[tuple[Limits, int], Charge]()
    clocks = accumulate((step for step, _, _ in history), initial=50_000_000)
    next(clocks)
    for (_, cost_mu, other), now_us in zip(history, clocks, strict=True):
        limits = Limits(minutes[other], hours[other])
        said = None
        if cost_mu <= minutes[other].burst_mu:
            charge = charges.setdefault((limits, cost_mu), charge_of(fast, limits, cost_mu))
            said = charge(now_us)
        assert (said or usual(fast, limits, cost_mu, now_us)) == usual(slow, limits, cost_mu, now_us)
        wall_us = WALL_US + now_us
        assert fast.status(SUBJECT, limits, now_us, wall_us) == slow.status(SUBJECT, limits, now_us, wall_us)


def test_what_is_plain_is_charged_here() -> None:
    """GW-603: from the third request on, 148 of a burst of 150 are charged here, and the next is left alone."""
    store, hour = MemoryStore(), make_rule(3_000, 3_600, 3_000)
    charge = charge_of(store, Limits(PLAIN.minute, hour))
    for _ in range(2):  # the first makes the subject, the second finds it
        assert charge(5) is None
        assert usual(store, Limits(PLAIN.minute, hour), 1_000, 5) is not None
    assert charge(5) == (
        (b"x-request-cost", b"1"),
        (b"ratelimit-policy", b'"minute";q=100;w=60;veritape-burst=150,"hour";q=3000;w=3600'),
        (b"ratelimit", b'"minute";r=147;t=1,"hour";r=2997;t=2'),
    )
    assert sum(charge(5) is not None for _ in range(200)) == 147
    assert store.status(SUBJECT, PLAIN, 5, WALL_US).used_mu == 150_000


def test_an_hour_that_refuses_leaves_the_minute_as_it_was() -> None:
    """GW-208: three an hour: the fourth is left alone, and no bucket moved."""
    store, limits = MemoryStore(), Limits(PLAIN.minute, make_rule(3, 3_600, 3))
    charge = charge_of(store, limits)
    usual(store, limits, 1_000, 5)
    assert [charge(5) is None for _ in range(4)] == [True, False, False, True]
    state = store.status(SUBJECT, limits, 5, WALL_US)
    assert (state.minute.debt, state.hour.debt, state.used_mu) == (3 * 600_000, 3 * 1_200_000_000, 3_000)
    changed = charge_of(store, Limits(PLAIN.minute, make_rule(30, 3_600, 30)))
    assert [changed(5), changed(5)] == [
        None,
        None,
    ]  # the debt is of another rule: the usual way carries it over


def test_fields_that_say_the_same_are_the_same_object() -> None:
    """GW-603, GW-504: what is said is written anew only when units left or seconds change, whatever the refill."""
    for limit, at_most in ((100, 3), (7, 12)):  # a unit comes each 0.6 s, or each 8.6 s
        store, limits = MemoryStore(), Limits(make_rule(limit, 60, 15))
        charge = charge_of(store, limits, 1)
        usual(store, limits, 1_500, 5)
        charge(5)
        said, told = list[RawFields](), set[RawFields]()
        for now_us in range(5, 900_000, 30_000):
            fields = charge(now_us)
            assert fields is not None
            said.append(fields)
            told.add(fields)
        assert len({id(fields) for fields in said}) == len(told) <= at_most


def test_another_month_and_a_forgotten_subject_are_left_alone() -> None:
    """GW-209, GW-252: where the month may be another one, or the subject's place went to somebody else, nothing is charged here."""
    store = MemoryStore(subjects_limit=1)
    charge = charge_of(store)
    usual(store, PLAIN, 1_000, 5)
    assert charge(5) is None
    assert charge(SURE_US + 4) is not None
    assert charge(SURE_US + 5) is None
    usual(store, PLAIN, 1_000, SURE_US + 5)
    assert charge(SURE_US + 5) is not None
    store.judge("ip:any:203.0.113.8", plan_of(PLAIN, 1_000, 7), SURE_US + 6, WALL_US)
    assert store.subjects_evicted == 1
    assert charge(SURE_US + 7) is None
    assert charge(SURE_US + 7) is None
    usual(store, PLAIN, 1_000, SURE_US + 8)
    store.forget(SUBJECT)
    assert charge(SURE_US + 9) is None


def test_the_last_moment_of_a_month_is_not_passed_by() -> None:
    """GW-209: a worker is sure of the month until its end at the most."""
    store, left_us = MemoryStore(), quota.month_of(WALL_US).left_us
    store.judge(SUBJECT, plan_of(PLAIN, 1_000, 7), 5, WALL_US + left_us - 300)
    assert store.sure_us == 305


def test_plans_that_are_not_plain_have_none() -> None:
    """GW-603: months, requests in progress, costs above the burst and plans without a minute's bucket go the usual way."""
    store, minute = MemoryStore(), PLAIN.minute
    others = (Limits(), Limits(hour=minute), Limits(minute, month_mu=1), Limits(minute, concurrency=1))
    assert [straight(store, SUBJECT, plan_of(one, 1_000, 7), WALL_US) for one in others] == [None] * 4
    assert straight(store, SUBJECT, plan_of(PLAIN, 151_000, 7), WALL_US) is None
