"""One opening and one closing record a gap."""

from typing import Any

from veritape.observer.gap_life import GapLife, LifeRecord, Moment


def gap(state: str = "open", name: str = "g", right_shares: int = 100) -> dict[str, Any]:
    return {
        "id": name, "code": "990001", "state": state, "closed_ns": None, "right": {"chain_shares": right_shares},
        "residual": {"trades": 1, "shares": 5, "value_krw": 9},
    }  # fmt: skip


def told(records: list[LifeRecord]) -> list[tuple[str, str]]:
    return [(record.moment.value, record.gap["state"]) for record in records]


def test_a_gap_is_told_twice_however_often_it_is_checked() -> None:
    """OB-671: one opening and one closing record each, never one per check."""
    life = GapLife()
    assert told(life.look([gap()], {}, 1)) == [("opened", "open")]
    assert life.look([gap()], {}, 2) == []
    assert [one["id"] for one in life.open] == ["g"]
    (closed,) = life.look([gap("residual")], {}, 3)
    assert (closed.moment, closed.gap["state"], closed.gap["closed_ns"]) == (Moment.CLOSED, "residual", 3)
    assert life.look([gap("residual")], {}, 4) == []
    assert life.open == []


def test_a_gap_that_is_first_seen_at_its_end_has_both_records() -> None:
    """OB-671: contradicted at once: opened and closed."""
    assert told(GapLife().look([gap("contradicted")], {}, 1)) == [
        ("opened", "open"),
        ("closed", "contradicted"),
    ]


def test_trades_that_come_late_fill_a_gap_of_which_nothing_is_left() -> None:
    """OB-671: filled: every missing trade came late."""
    life = GapLife()
    life.look([gap()], {}, 1)
    (closed,) = life.look([], {}, 2)
    assert (closed.gap["state"], closed.gap["residual"]["shares"], closed.gap["closed_ns"]) == (
        "filled",
        0,
        2,
    )
    assert life.look([], {}, 3) == []


def test_a_suspicion_is_cleared_by_the_stream_or_becomes_a_gap() -> None:
    """OB-671, OB-642: suspected, then cleared or open under the same name; it is told once."""
    life = GapLife()
    assert told(life.suspect(gap("suspected"))) == [("opened", "suspected")]
    assert life.suspect(gap("suspected")) == []
    assert life.look([], {"990001": 99}, 2) == []
    assert told(life.look([], {"990001": 100}, 3)) == [("closed", "cleared")]
    assert life.look([], {"990001": 100}, 4) == []
    other = GapLife()
    other.suspect(gap("suspected"))
    assert other.look([gap()], {"990001": 120}, 2) == []
    assert [one["state"] for one in other.open] == ["open"]
    assert told(other.look([], {"990001": 120}, 3)) == [("closed", "filled")]


def test_a_restarted_process_does_not_tell_again() -> None:
    """OB-671: what was journalled is remembered, and an old record does not open what has ended."""
    life = GapLife()
    life.remember(LifeRecord(Moment.OPENED, gap()))
    assert life.look([gap()], {}, 1) == []
    life.remember(LifeRecord(Moment.CLOSED, gap("residual")))
    life.remember(LifeRecord(Moment.OPENED, gap()))
    assert life.look([gap("residual")], {}, 2) == []
