"""Calendar rows and phases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.errors import MisuseError
from veritape.observer.sessions import (
    DAY_S,
    USUAL,
    Hours,
    Phase,
    clock_seconds,
    next_boundary,
    phase_at,
    read_overrides,
)
from veritape.replay.schedule import session

ROW = '[[day]]\ndate = "2026-11-19"\nkind = "session"\nopen = "10:00"\nclose = "16:30"\nreason = "entrance exam"\n'


def second(clock: str) -> int:
    hours, minutes, seconds = map(int, clock.split(":"))
    return hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize(
    ("clock", "phase"),
    [
        ("07:59:59", Phase.BEFORE), ("08:00:00", Phase.PREPARE), ("08:54:59", Phase.PREPARE), ("08:55:00", Phase.CONNECT),
        ("09:00:00", Phase.CONTINUOUS), ("15:19:59", Phase.CONTINUOUS), ("15:20:00", Phase.AUCTION_CLOSE),
        ("15:30:00", Phase.SETTLE), ("15:33:00", Phase.ANCHOR), ("15:40:00", Phase.AFTER), ("23:59:59", Phase.AFTER),
    ],
)  # fmt: skip
def test_the_phases_of_an_ordinary_day(clock: str, phase: Phase) -> None:
    """OB-124: the session table of KRX."""
    assert phase_at(USUAL, second(clock)) is phase


def test_everything_moves_with_the_open_and_the_close() -> None:
    """OB-124: an exam day shifts all times by an hour; a closed day has no phase."""
    shifted = Hours(USUAL.open_s + 3600, USUAL.close_s + 3600)
    assert all(phase_at(USUAL, s) is phase_at(shifted, s + 3600) for s in range(7 * 3600, 20 * 3600, 60))
    assert phase_at(None, second("10:00:00")) is Phase.CLOSED
    assert phase_at(Hours(32_400, 32_460), 32_400) is Phase.AUCTION_CLOSE


def test_the_replays_row_is_read() -> None:
    """OB-123: `replay --calendar-file` writes a row that the recorder reads."""
    text = session("20131007", until_ms=33_000_000).calendar_row()
    assert read_overrides(text.encode(), "c.toml") == {"20131007": Hours(32_400, 33_000)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ROW + ROW, "row 2: 20261119 is given twice"),
        (ROW.replace("10:00", "17:00"), "row 1: the open 17:00 is not before the close"),
        (ROW.replace("reason", "because"), "unknown key because"),
        (ROW.replace("session", "half"), "kind 'half'"),
        (ROW.replace("2026-11-19", "soon"), "date 'soon'"),
        (ROW.replace("10:00", "25:00"), "not a time of day"),
        (ROW.replace("10:00", "ten"), "not HH:MM"),
        ("x = 1", r"expected \[\[day\]\] rows only"),
        ("day = 1", "expected"),
        ("day = [1]", "unknown key"),
        ("[[day", "not TOML"),
    ],
)
def test_a_bad_row_is_named(text: str, words: str) -> None:
    """OB-123: unknown keys, an open after the close, two rows for a date are errors that name the row."""
    with pytest.raises(MisuseError, match=words):
        read_overrides(text.encode(), "c.toml")


def test_a_boundary_is_where_the_next_phase_begins() -> None:
    """OB-125: the moments at which an edited calendar takes effect."""
    starts = [start for start, _ in USUAL.phases()]
    assert [next_boundary(USUAL, start - 1) for start in starts[1:]] == starts[1:]
    assert next_boundary(USUAL, starts[-1]) == DAY_S


def test_hours_read_as_clocks() -> None:
    """OB-123: as the file writes them."""
    assert str(Hours(clock_seconds("10:00"), clock_seconds("16:30"))) == "10:00-16:30"


@given(st.binary(max_size=100) | st.text('[]day\n="0-9:closed kind', max_size=80).map(str.encode))
def test_any_bytes_are_a_calendar_or_a_refusal(data: bytes) -> None:
    """OB-992: the calendar parser is total."""
    try:
        read_overrides(data, "c.toml")
    except MisuseError:
        return
