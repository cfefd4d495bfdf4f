"""Scores: the worked example, lifetimes, refreshes, ties."""

from veritape.observer.scores import MICRO, Scores, resting_micro, score_micro
from veritape.observer.triggers import RULES, Firing, Trigger

SECOND = 10**9
CAPS = {"A": 50_000, "B": 50_000, "C": 100}


def scores() -> Scores:
    return Scores(RULES, CAPS)


def surge(code: str = "A", strength: float = 0.8) -> Firing:
    return Firing(code, Trigger.VOLUME_SURGE, strength)


def test_the_worked_example() -> None:
    """OB-303: volume_surge with ratio 4.0 on a code of 50,000 x 100 M KRW: 18.47."""
    assert score_micro(10.0, 4.0 / 5, 50_000) == 18_469_897
    assert round(18_469_897 / MICRO, 2) == 18.47
    assert (resting_micro(50_000), resting_micro(0)) == (469_897, 0)


def test_the_highest_score_of_a_code_counts_and_falls_to_the_cap_part() -> None:
    """OB-303, OB-346: at the lifetime's end what remains is 0.1 x log10(cap)."""
    one = scores()
    one.fire(Firing("A", Trigger.RANKING, 1.0), 0)
    one.fire(surge(), 0)
    assert one.best("A", 299 * SECOND) == ("volume_surge", 18_469_897)
    assert one.best("A", 300 * SECOND) == ("", 469_897)
    one.fire(Firing("A", Trigger.RANKING, 1.0), 200 * SECOND)
    assert one.best("A", 300 * SECOND) == ("ranking", 8_469_897)


def test_within_two_minutes_only_the_lifetime_is_refreshed() -> None:
    """OB-304: no new candidate within 120 s; then it is one again."""
    one = scores()
    assert one.fire(surge(), 0)
    assert not one.fire(surge(strength=0.7), 119 * SECOND)
    assert one.live["A"][Trigger.VOLUME_SURGE].expires_ns == (119 + 300) * SECOND
    assert one.best("A", 400 * SECOND) == ("volume_surge", 17_469_897)
    assert one.fire(surge(), 120 * SECOND)
    assert one.fire(Firing("A", Trigger.RANKING, 1.0), 121 * SECOND)
    assert one.fire(surge("B"), 121 * SECOND)


def test_ties_go_to_the_larger_market_cap_and_then_to_the_smaller_code() -> None:
    """OB-303."""
    one = Scores(RULES, {"A": 10, "B": 20, "C": 20})
    for code in "ABC":
        one.give(code, "context", 5 * MICRO, 0, 600)
    assert sorted("ABC", key=lambda code: one.order(code, 1)) == ["B", "C", "A"]


def test_expiry() -> None:
    """OB-305: the first end among the slots; what is over is forgotten."""
    one = scores()
    one.fire(surge(), 0)
    one.fire(Firing("A", Trigger.RANKING, 1.0), 0)
    one.fire(Firing("C", Trigger.RANKING, 1.0), -SECOND)
    assert one.next_expiry({"A": 1}) == 180 * SECOND
    assert one.next_expiry({"B": 1}) is None
    assert one.expire(180 * SECOND) == ["A", "C"]
    assert set(one.live) == {"A"}
    assert one.expire(180 * SECOND) == []
