"""One opening and one closing record a gap."""

from typing import Any

from veritape.observer.gap_life import GapLife, Moment
from veritape.observer.gaps import State


def gap(state: str = "open", name: str = "g", shares: int = 5) -> dict[str, Any]:
    return {
        "id": name, "parent": None, "code": "990001", "cause": "frame_lost", "severity": "low", "state": state,
        "residual": {"shares": shares},
    }  # fmt: skip


def told(records: list[Any]) -> list[tuple[Moment, State]]:
    return [(record.moment, record.state) for record in records]


def test_a_gap_is_told_twice_however_often_it_is_checked() -> None:
    """OB-671: one opening and one closing record each, never one per check."""
    life = GapLife()
    assert told(life.look([gap()], {}, 1)) == [(Moment.OPENED, State.OPEN)]
    assert life.look([gap()], {}, 2) == []
    assert [record.gap_id for record in life.open] == ["g"]
    assert told(life.look([gap("residual")], {}, 3)) == [(Moment.CLOSED, State.RESIDUAL)]
    assert life.look([gap("residual")], {}, 4) == life.open == []


def test_a_gap_that_is_first_seen_at_its_end_has_both_records() -> None:
    """OB-671: contradicted at once: opened and closed."""
    assert told(GapLife().look([gap("contradicted")], {}, 1)) == [
        (Moment.OPENED, State.OPEN), (Moment.CLOSED, State.CONTRADICTED),
    ]  # fmt: skip


def test_trades_that_come_late_fill_a_gap_of_which_nothing_is_left() -> None:
    """OB-671: filled: every missing trade came late."""
    life = GapLife()
    life.look([gap()], {}, 1)
    assert told(life.look([], {}, 2)) == [(Moment.CLOSED, State.FILLED)]
    assert life.look([], {}, 3) == []


def test_a_suspicion_is_cleared_by_the_stream_or_becomes_a_gap() -> None:
    """OB-671, OB-642: suspected, then cleared or open under the same name; it is told once."""
    life = GapLife()
    assert told(life.suspect("g", "990001", 100, 5, 1)) == [(Moment.OPENED, State.SUSPECTED)]
    assert life.suspect("g", "990001", 100, 5, 1) == []
    assert life.look([], {"990001": 99}, 2) == []
    assert told(life.look([], {"990001": 100}, 3)) == [(Moment.CLOSED, State.CLEARED)]
    assert life.look([], {"990001": 100}, 4) == []
    other = GapLife()
    other.suspect("g", "990001", 100, 5, 1)
    assert other.look([gap()], {"990001": 120}, 2) == []
    assert [record.state for record in other.open] == [State.OPEN]
    assert told(other.look([], {"990001": 120}, 3)) == [(Moment.CLOSED, State.FILLED)]
