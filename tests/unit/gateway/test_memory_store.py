"""The store of one process: charges, refunds, slots, restart, bound."""

import random

from veritape.gateway import quota
from veritape.gateway.memory_store import Charge, MemoryStore, Past
from veritape.gateway.quota import MICROSECONDS, Decision, Limits, State
from veritape.gateway.reasons import Reason

FREE = Limits(quota.make_rule(100, 60, 150), quota.make_rule(3_000, 3_600, 3_000), 50_000_000, 10)
BUCKETS = FREE._replace(concurrency=None)
WALL_US = 1_795_187_045 * MICROSECONDS


def ask(
    store: MemoryStore, limits: Limits = BUCKETS, cost: int = 1, now_us: int = 0, subject: str = "a:live"
) -> tuple[Decision, int]:
    return store.decide(subject, limits, cost * 1_000, now_us, WALL_US + now_us, 7)


def test_a_denied_request_is_never_charged() -> None:
    """GW-208: 10 denied requests leave month and buckets as they were."""
    store = MemoryStore()
    admitted = [ask(store)[0].admitted for _ in range(160)]
    assert admitted == [True] * 150 + [False] * 10
    assert store.months["a:live", "2026-11"] == 150_000
    assert store.status("a:live", BUCKETS, 0, WALL_US).minute.debt == 90_000_000
    assert ask(store, subject="a:test")[0].admitted


def test_random_histories_of_a_store_keep_the_bound_and_charge_only_what_they_admit() -> None:
    """GW-204, GW-251: the month equals the sum of what was admitted, over random arrivals, costs and releases."""
    rng = random.Random(251)
    for _ in range(200):
        store, now_us, sum_mu, slots = MemoryStore(), 0, 0, list[int]()
        for _ in range(200):
            now_us += rng.choice([0, 0, 1_000, 300_000, 2_000_000])
            cost = rng.randint(1, 5)
            decision, slot = ask(store, FREE, cost, now_us)
            sum_mu += decision.cost_mu * decision.admitted
            assert sum_mu * 60 <= 150_000 * 60 + 100_000 * now_us // MICROSECONDS
            slots += [slot] if slot else []
            if slots and rng.random() < 0.7:
                store.release_slot("a:live", slots.pop(rng.randrange(len(slots))))
        assert store.months.get(("a:live", "2026-11"), 0) == sum_mu


def test_a_subject_that_is_forgotten_begins_anew() -> None:
    """GW-343: neither debt nor month is left, and its slots are released into nothing."""
    store = MemoryStore()
    _, slot = ask(store, FREE, 5)
    store.forget("a:live")
    store.forget("b:live")
    store.release_slot("a:live", slot)
    assert (len(store), store.months) == (0, {})
    assert store.status("a:live", FREE, 0, WALL_US) == State()


def test_slots_return_when_released_or_when_their_time_is_over() -> None:
    """GW-210: the eleventh waits; a released slot serves again; a lost one after route timeout + 5 s."""
    store = MemoryStore()
    slots = [ask(store, FREE)[1] for _ in range(10)]
    decision, slot = ask(store, FREE)
    assert (decision.reason, decision.retry_after_s, slot) == (Reason.CONCURRENCY_LIMITED, 1, 0)
    store.release_slot("a:live", slots[0])
    store.release_slot("a:live", slots[0])
    store.release_slot("b:live", 99)
    assert ask(store, FREE)[0].admitted
    assert not ask(store, FREE, now_us=64_999_999)[0].admitted
    assert ask(store, FREE, now_us=65_000_000)[0].admitted
    store.sweep_slots(200 * MICROSECONDS)
    assert store.status("a:live", FREE, 200 * MICROSECONDS, WALL_US).slots == 0


def test_a_refund_returns_month_units_and_no_tokens() -> None:
    """GW-216: the month goes back, never below zero; the bucket stays."""
    store = MemoryStore()
    ask(store, cost=2)
    store.refund("a:live", "2026-11", 2_000)
    store.refund("a:live", "2026-11", 2_000)
    status = store.status("a:live", BUCKETS, 0, WALL_US)
    assert (status.used_mu, status.minute.debt) == (0, 1_200_000)


def test_a_restart_never_over_admits() -> None:
    """GW-253: the debt of what was charged within the last time-to-full; older charges do not count."""
    past = Past([Charge(WALL_US - 95_000_000, 70_000), Charge(WALL_US - 1_000_000, 149_000)], WALL_US)
    store = MemoryStore(past={"a:live": past})
    assert ask(store, now_us=5)[0].admitted
    assert not ask(store, now_us=5)[0].admitted
    store = MemoryStore(past={"a:live": Past([Charge(WALL_US, 10_000_000)], WALL_US)})
    assert ask(store)[0].limits[2].remaining_mu == 0
    assert MemoryStore(past={"a:live": past}).decide("a:live", Limits(), 1_000, 0, WALL_US, 7)[0].admitted


def test_reset_forgives_the_buckets_and_not_the_month() -> None:
    """GW-251: reset sets debts to 0."""
    store = MemoryStore()
    for _ in range(150):
        ask(store)
    store.reset("a:live")
    assert ask(store)[0].admitted
    assert store.months["a:live", "2026-11"] == 151_000
    assert store.health()


def test_at_the_bound_those_without_debt_go_first() -> None:
    """GW-252: an idle subject is forgotten before one that owes; without an idle one the least recently used."""
    store = MemoryStore(subjects_limit=2)
    ask(store, cost=100, subject="owing")
    ask(store, subject="idle")
    ask(store, now_us=1_200_000, subject="new")
    assert store.subjects_evicted == 1
    assert store.status("owing", BUCKETS, 0, WALL_US).hour.debt == 120_000_000
    store = MemoryStore(subjects_limit=2)
    for subject in ("first", "second", "first", "third"):
        ask(store, cost=100 if subject != "first" else 50, subject=subject)
    assert store.status("first", BUCKETS, 0, WALL_US).minute.debt == 60_000_000
    assert store.status("second", BUCKETS, 0, WALL_US).minute.debt == 0


def test_months_outlive_their_subjects_place_in_memory() -> None:
    """GW-209, GW-252, GW-253: an evicted account's month goes on, the old month is kept when it turns, an address' is forgotten."""
    store = MemoryStore({("a:live", "2026-11"): 7_000}, subjects_limit=1)
    ask(store, cost=3)
    ask(store, cost=2, subject="ip:any:1")
    ask(store, subject="b:live")
    assert store.months == {("a:live", "2026-11"): 10_000, ("b:live", "2026-11"): 1_000}
    december_us = WALL_US + quota.month_of(WALL_US).left_us
    assert ask(store, cost=4)[0].period == "2026-11"
    assert store.decide("a:live", BUCKETS, 1_000, 1, december_us, 7)[0].period == "2026-12"
    store.refund("a:live", "2026-11", 2_000)
    store.refund("a:live", "2026-12", 1_000)
    assert store.status("a:live", BUCKETS, 1, december_us).used_mu == 0
    assert store.months == {
        ("a:live", "2026-11"): 12_000, ("a:live", "2026-12"): 0, ("b:live", "2026-11"): 1_000,
    }  # fmt: skip
    assert (
        ask(store, cost=5, subject="a:live")[0].limits[0].remaining_mu == 50_000_000 - 17_000
    )  # the wall clock went back
