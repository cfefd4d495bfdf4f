"""Slots are given by score, kept for a while, and changed only as often as the broker bears."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.decisions import Decision, Limits, Seats
from veritape.observer.overflow import Weakest
from veritape.observer.scores import MICRO, Scores
from veritape.observer.triggers import RULES

SECOND = 10**9


def seats(slots: int = 2, **limits: int) -> Seats:
    one = Seats(Scores(RULES, {}), Limits(slots, **limits))
    one.settled = True
    return one


def offer(one: Seats, code: str, score: float, at_s: float = 0, lifetime_s: int = 10_000) -> tuple[str, str]:
    now_ns = int(at_s * SECOND)
    one.scores.give(code, "x", round(score * MICRO), now_ns, lifetime_s)
    made = one.offer(code, now_ns)
    return made.decision.value, made.reason


def test_the_order_of_allocation() -> None:
    """OB-345: held, free, the weakest by 1.2 after 120 s, else overflow."""
    one = seats()
    assert offer(one, "A", 10) == ("allocated", "free_slot")
    assert offer(one, "B", 20) == ("allocated", "free_slot")
    assert offer(one, "A", 11, 1) == ("kept", "held")
    assert offer(one, "C", 13.19, 200) == ("overflow", "hysteresis")
    assert offer(one, "C", 13.2, 119) == ("overflow", "dwell")
    made = one.offer("C", 120 * SECOND)
    assert (made.decision, made.released, made.slot) == (Decision.REPLACED, "A", 0)
    assert made.weakest == Weakest("A", 11 * MICRO)
    assert set(one.held) == {"B", "C"}


def test_pinned_slots_are_never_given_up() -> None:
    """OB-302: manual is pinned, never evicted."""
    one = seats(1)
    one.pin("M", 0, pinned=True)
    assert offer(one, "A", 99, 500) == ("overflow", "no_slot")
    one.pin("M", 500 * SECOND, pinned=False)
    assert offer(one, "A", 99, 500) == ("replaced", "higher_score")


def test_a_code_that_is_pinned_later_takes_the_weakest_slot() -> None:
    one = seats()
    offer(one, "A", 10)
    offer(one, "B", 5)
    made = one.pin("M", SECOND, pinned=True)
    assert [(m.code, m.decision.value, m.reason) for m in made] == [
        ("B", "released", "manual"),
        ("M", "allocated", "manual"),
    ]
    assert one.pin("A", SECOND, pinned=True) == []
    assert one.wanted(SECOND) == ["A", "M"]


def test_a_lifetimes_end_costs_the_score_and_not_the_slot() -> None:
    """OB-346: it stays subscribed until someone needs it."""
    one = seats(1)
    offer(one, "A", 10, 0, lifetime_s=300)
    assert list(one.held) == ["A"]
    assert one.offer("A", 400 * SECOND).score_micro == 0
    assert offer(one, "B", 0.1, 400) == ("replaced", "higher_score")


def test_changes_are_budgeted_by_minute_and_hour() -> None:
    """OB-347: 24 in 60 s and 240 an hour; over budget is overflow."""
    one = seats(41)
    for number in range(24):
        assert offer(one, f"{number:02}", 5)[0] == "allocated"
    assert offer(one, "X", 5, 59.9) == ("overflow", "churn")
    assert offer(one, "X", 5, 60) == ("allocated", "free_slot")
    hourly = seats(41, changes_per_hour=30, changes_per_minute=24)
    for number in range(30):
        assert offer(hourly, f"{number:02}", 5, 60 * (number // 20))[0] == "allocated"
    assert offer(hourly, "X", 5, 3599) == ("overflow", "churn")
    assert offer(hourly, "X", 5, 3600) == ("allocated", "free_slot")


def test_a_replacement_is_two_changes() -> None:
    """OB-347: a release and a registration."""
    one = seats(1, changes_per_minute=2, dwell_s=0)
    assert offer(one, "A", 1) == ("allocated", "free_slot")
    assert offer(one, "B", 9, 30) == ("overflow", "churn")
    assert offer(one, "B", 9, 60) == ("replaced", "higher_score")


def test_a_minute_of_many_changes_asks_for_more() -> None:
    """OB-345: in a churn-high minute, over half the budget used, 1.5 replaces 1.2."""
    one = seats(13, dwell_s=0)
    for number in range(12):
        offer(one, f"{number:02}", 10)
    assert one.hysteresis_micro(0) == 1_200_000
    offer(one, "12", 10)
    assert one.hysteresis_micro(0) == 1_500_000
    assert offer(one, "X", 14.9) == ("overflow", "hysteresis")
    assert offer(one, "X", 15) == ("replaced", "higher_score")
    assert one.hysteresis_micro(60 * SECOND) == 1_200_000


def test_before_the_first_choice_free_slots_are_taken_and_none_is_lost() -> None:
    """OB-391: who holds a slot from before the open keeps it until then."""
    one = seats()
    one.settled = False
    one.take("A", 0, "carried")
    assert offer(one, "B", 9, 900) == ("allocated", "free_slot")
    assert offer(one, "C", 99, 900) == ("overflow", "dwell")


def test_a_learned_limit_is_the_capacity() -> None:
    """OB-342, OB-341."""
    one = seats(41)
    one.learned = 1
    assert offer(one, "A", 1)[0] == "allocated"
    assert offer(one, "B", 1)[0] == "overflow"


def test_wanted_codes_are_pinned_first_then_by_falling_score() -> None:
    """OB-349: the order of registration after a reconnect."""
    one = seats(4)
    for code, score in (("A", 1), ("B", 3), ("C", 2)):
        offer(one, code, score)
    one.pin("M", 0, pinned=True)
    assert one.wanted(0) == ["M", "B", "C", "A"]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 50), st.integers(0, 40)), max_size=120),
    st.integers(1, 8),
)
def test_whatever_is_offered_the_rules_hold(offers: list[tuple[int, int, int]], slots: int) -> None:
    """OB-345, OB-347: never more than the capacity, never more changes than the budget, never a slot number twice."""
    one, now, changes = seats(slots, changes_per_minute=6, changes_per_hour=40), 0, list[int]()
    one.pin("pinned", 0, pinned=True)
    for number, score, seconds in offers:
        now += seconds
        decision, _ = offer(one, f"{number:02}", score, now)
        changes += [now] * {"allocated": 1, "replaced": 2}.get(decision, 0)
        assert len(one.held) <= slots
        assert len({seat.index for seat in one.held.values()}) == len(one.held)
        assert all(seat.index < slots for seat in one.held.values())
        assert sum(at > now - 60 for at in changes) <= 6
        assert sum(at > now - 3600 for at in changes) <= 40
        assert "pinned" in one.held


@pytest.mark.parametrize("decision", list(Decision))
def test_decisions_are_the_words_of_the_log(decision: Decision) -> None:
    """OB-306."""
    assert decision in {"allocated", "replaced", "kept", "overflow", "released", "refused"}
