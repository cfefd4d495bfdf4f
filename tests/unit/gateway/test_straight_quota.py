"""The usual request in one function: it agrees with the usual way, and leaves alone what is not plain."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import left_writer, quota
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
        st.sampled_from(["", "", "", "look", "reset", "clamp", "refund", "months", "crowd", "forget"]),
    ),
    min_size=1,
    max_size=40,
)
"""Clock step, cost, whether the other limits apply, and what else happens to the subject afterwards."""


def charge_of(store: MemoryStore, limits: Limits = PLAIN, cost_mu: int = 1_000) -> Charge:
    """Return what charges the subject."""
    made = straight(store, SUBJECT, plan_of(limits, cost_mu, 7))
    assert made is not None
    return made


def usual(store: MemoryStore, limits: Limits, cost_mu: int, now_us: int) -> RawFields | None:
    """Charge the usual way; return the fields, None of a denial."""
    plan = plan_of(limits, cost_mu, 7)
    verdict, _ = store.judge(SUBJECT, plan, now_us, WALL_US + now_us)
    return tuple(AdmittedFields(plan, "free", legacy=False).of(verdict)) if verdict.admitted else None


@given(st.tuples(rules, rules), steps)
def test_it_agrees_with_the_usual_way(
    minutes: tuple[quota.Rule, quota.Rule],
    history: list[tuple[int, int, bool, str]],
) -> None:
    """GW-603, GW-204, GW-211: over random histories with changing limits, clocks that go back, and others who change the subject, fields and states are equal."""
    fast, slow, charges = (
        MemoryStore(subjects_limit=2),
        MemoryStore(subjects_limit=2),
        dict[tuple[Limits, int], Charge](),
    )
    clocks = accumulate((step for step, *_ in history), initial=50_000_000)
    next(clocks)
    for (_, cost_mu, other, event), now_us in zip(history, clocks, strict=True):
        limits = Limits(minutes[other])
        said = None
        if cost_mu <= minutes[other].burst_mu:
            charge = charges.setdefault((limits, cost_mu), charge_of(fast, limits, cost_mu))
            said = charge(now_us)
        assert (said or usual(fast, limits, cost_mu, now_us)) == usual(slow, limits, cost_mu, now_us)
        assert befallen(fast, event, limits, now_us) == befallen(slow, event, limits, now_us)
    assert befallen(fast, "look", limits, now_us) == befallen(slow, "look", limits, now_us)


def befallen(store: MemoryStore, event: str, limits: Limits, now_us: int) -> object:
    """Let something else happen to the subject; return what is seen of it then."""
    wall_us = WALL_US + now_us
    if event == "look":
        return store.status(SUBJECT, limits, now_us, wall_us)
    if event == "months":
        return store.months
    if event == "reset":
        store.reset(SUBJECT)
    elif event == "clamp":
        store.clamp(SUBJECT, limits, now_us)
    elif event == "refund":
        store.refund(SUBJECT, quota.month_of(wall_us).period, 700)
    elif event == "forget":
        store.forget(SUBJECT)
    elif event == "crowd":  # two others are seen, and somebody has to go
        for other in ("ip:any:203.0.113.8", "acme:live"):
            store.judge(other, plan_of(PLAIN, 1_000, 7), now_us, wall_us)
    return sorted(store._accounts)


def test_what_is_plain_is_charged_here() -> None:
    """GW-603: from the second request on, 149 of a burst of 150 are charged here, and the next is left alone."""
    store = MemoryStore()
    charge = charge_of(store)
    assert charge(5) is None
    assert usual(store, PLAIN, 1_000, 5) is not None
    assert charge(5) == (
        (b"x-request-cost", b"1"),
        (b"ratelimit-policy", b'"minute";q=100;w=60;veritape-burst=150'),
        (b"ratelimit", b'"minute";r=148;t=1'),
    )
    assert sum(charge(5) is not None for _ in range(200)) == 148
    assert store.status(SUBJECT, PLAIN, 5, WALL_US).used_mu == 150_000


def test_fields_that_say_the_same_are_the_same_object() -> None:
    """GW-603, GW-504: what is said is written anew only when units left or seconds change, whatever the refill."""
    for limit, at_most in ((100, 3), (7, 12)):  # a unit comes each 0.6 s, or each 8.6 s
        store, limits = MemoryStore(), Limits(make_rule(limit, 60, 15))
        charge = charge_of(store, limits, 1)
        slow = MemoryStore()
        for _ in range(2):
            usual(slow, limits, 1_500, 5)
        usual(store, limits, 1_500, 5)
        usual(store, limits, 1_500, 5)
        said, told = list[RawFields](), set[RawFields]()
        for now_us in range(5, 900_000, 30_000):
            fields = charge(now_us)
            assert fields is not None
            assert fields == usual(slow, limits, 1, now_us)
            said.append(fields)
            told.add(fields)
        assert len({id(fields) for fields in said}) == len(told) <= at_most


def test_another_month_and_a_forgotten_subject_are_left_alone() -> None:
    """GW-209, GW-252: where the month may be another one, or the subject's place went to somebody else, nothing is charged here."""
    store = MemoryStore(subjects_limit=1)
    charge = charge_of(store)
    assert charge(5) is None  # nobody knows the subject
    usual(store, PLAIN, 1_000, 5)
    assert charge(5) is not None
    assert charge(SURE_US + 4) is not None
    assert charge(SURE_US + 5) is None
    usual(store, PLAIN, 1_000, SURE_US + 5)
    assert charge(SURE_US + 5) is not None
    store.judge("ip:any:203.0.113.8", plan_of(PLAIN, 1_000, 7), SURE_US + 6, WALL_US)
    assert store.subjects_evicted == 1
    assert charge(SURE_US + 7) is None
    usual(store, PLAIN, 1_000, SURE_US + 8)
    store.forget(SUBJECT)
    assert charge(SURE_US + 9) is None


def test_costs_of_a_subject_share_its_tab() -> None:
    """GW-603, GW-208: requests of two costs, one by one, are all charged here, each on what the other left; the usual way sees both."""
    store = MemoryStore()
    one, five = charge_of(store), charge_of(store, cost_mu=5_000)
    usual(store, PLAIN, 1_000, 5)
    left = [dict(fields)[b"ratelimit"] for charge in (one, five, one, five) if (fields := charge(5))]
    assert left == [b'"minute";r=%d;t=1' % units for units in (148, 143, 142, 137)]
    assert dict(usual(store, PLAIN, 1_000, 5) or ())[b"ratelimit"] == b'"minute";r=136;t=1'
    assert dict(five(5) or ())[b"ratelimit"] == b'"minute";r=131;t=1'
    assert store.status(SUBJECT, PLAIN, 5, WALL_US).used_mu == 19_000


def test_who_is_charged_here_was_used_when_somebody_has_to_go() -> None:
    """GW-252: of three subjects that owe something the two that were charged on their tabs stay."""
    store, others = MemoryStore(subjects_limit=3), ("ip:any:203.0.113.8", "ip:any:203.0.113.9")
    plan = plan_of(PLAIN, 50_000, 7)
    for subject in (SUBJECT, *others):
        store.judge(subject, plan, 5, WALL_US)
    for subject in (SUBJECT, others[1]):
        charge = straight(store, subject, plan)
        assert charge is not None
        assert charge(6) is not None
    store.judge("ip:any:203.0.113.10", plan, 7, WALL_US)
    assert [subject for subject in (SUBJECT, *others) if store.account(subject) is None] == [others[0]]


def test_what_is_too_much_is_left_alone() -> None:
    """GW-204: of a burst of three the fourth is not charged here, nor is what comes before a unit came back, and the debt stays."""
    store, limits = MemoryStore(), Limits(make_rule(600, 60, 3))
    charge = charge_of(store, limits)
    usual(store, limits, 1_000, 5)
    told = [charge(now_us) is not None for now_us in (5, 5, 5, 99_999, 100_005, 100_005)]
    assert told == [True, True, False, False, True, False]
    assert store.status(SUBJECT, limits, 100_005, WALL_US).minute.debt == 300_000


def test_fields_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-603, GW-908: a burst of a million units does not fill the memory with what was said of each."""
    monkeypatch.setattr(left_writer, "REMEMBERED", 3)
    store, limits = MemoryStore(), Limits(make_rule(1_000_000, 60, 1_000_000))
    charge = charge_of(store, limits)
    usual(store, limits, 1_000, 5)
    said = [dict(charge(5) or ())[b"ratelimit"] for _ in range(9)]
    assert said == [b'"minute";r=%d;t=1' % (999_998 - n) for n in range(9)]
    assert len(left_writer.minute_fields(plan_of(limits, 1_000, 7)).told) <= 3


def test_the_last_moment_of_a_month_is_not_passed_by() -> None:
    """GW-209: a worker is sure of the month until its end at the most."""
    store, left_us = MemoryStore(), quota.month_of(WALL_US).left_us
    store.judge(SUBJECT, plan_of(PLAIN, 1_000, 7), 5, WALL_US + left_us - 300)
    assert store.sure_us == 305


def test_plans_that_are_not_plain_have_none() -> None:
    """GW-603: an hour, a month, requests in progress, costs above the burst and plans without a minute's bucket go another way."""
    store, minute = MemoryStore(), PLAIN.minute
    others = (
        Limits(),
        Limits(hour=minute),
        Limits(minute, minute),
        Limits(minute, month_mu=1),
        Limits(minute, concurrency=1),
    )
    assert [straight(store, SUBJECT, plan_of(one, 1_000, 7)) for one in others] == [None] * 5
    assert straight(store, SUBJECT, plan_of(PLAIN, 151_000, 7)) is None
