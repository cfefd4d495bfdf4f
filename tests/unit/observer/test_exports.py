"""Windows: what they hold, when they are complete, which empty ones are written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tape import DAY, MIDNIGHT_NS, trade

from veritape.observer.exports import (
    LENGTH_NS,
    SETTLE_NS,
    ExportKind,
    Window,
    Windows,
    sweep_line,
    trade_line,
)
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind, note
from veritape.observer.rows import Row

SECOND = 10**9
OPEN_S, CLOSE_S = 32_400, 55_800


def at(second: float, kind: NoteKind | None = None, **facts: Any) -> Frame:
    """Return a note at a second of the day, or a message when there is nothing to note."""
    stamp = MIDNIGHT_NS + int(second * SECOND)
    if kind is None:
        return Frame(Kind.TEXT, 1, 1, stamp, stamp, b"0|H0STCNT0|001|...")
    return Frame(Kind.NOTE, 0, 7, stamp, stamp, note(kind, **facts))


def begun(*kinds: ExportKind) -> Windows:
    windows = Windows(kinds)
    windows.frame(at(OPEN_S - 300, NoteKind.STARTED))
    windows.frame(at(OPEN_S - 299, NoteKind.DAY, day=DAY, open_s=OPEN_S, close_s=CLOSE_S, codes={}))
    return windows


def names(windows: Windows, second: float) -> list[str]:
    return [window.name for window in windows.due(MIDNIGHT_NS + int(second * SECOND))]


def row(number: int = 1) -> Row:
    one = trade(number)
    return Row(one, 5, 0, 1_381_104_000_000_000, True, 0)


def test_windows_are_named_by_kind_day_and_start_in_seoul() -> None:
    """OB-721: swing ten minutes, scalp one, system sixty, from midnight Asia/Seoul."""
    assert {kind.value: length // (60 * SECOND) for kind, length in LENGTH_NS.items()} == {
        "swing": 10, "scalp": 1, "system": 60,
    }  # fmt: skip
    assert Window(ExportKind.SCALP, MIDNIGHT_NS, ()).name == "scalp_20131007_0000.jsonl"
    assert (
        Window(ExportKind.SYSTEM, MIDNIGHT_NS + 23 * 3600 * SECOND, ()).name == "system_20131007_2300.jsonl"
    )
    assert Window(ExportKind.SWING, 0, (b"{}", b"{}")).content == b"{}\n{}\n"


def test_a_window_appears_once_five_seconds_after_its_end() -> None:
    """OB-722: complete, at window end + 5 s."""
    windows = begun(ExportKind.SCALP)
    assert names(windows, OPEN_S) == []
    windows.frame(at(OPEN_S + 1))
    windows.trades([trade_line(row(1)), trade_line(row(2))])
    windows.frame(at(OPEN_S + 61))
    windows.trades([trade_line(row(3))])
    assert names(windows, OPEN_S + 64.9) == []
    (window,) = windows.due(MIDNIGHT_NS + (OPEN_S + 65) * SECOND)
    assert (window.name, [json.loads(line)["chain_shares"] for line in window.lines]) == (
        "scalp_20131007_0900.jsonl", [trade(1).chain_shares, trade(2).chain_shares],
    )  # fmt: skip
    assert windows.due(MIDNIGHT_NS + (OPEN_S + 65) * SECOND) == []
    assert names(windows, OPEN_S + 125) == ["scalp_20131007_0901.jsonl"]


def test_an_empty_window_of_the_session_is_written_when_the_journal_shows_that_it_was_run() -> None:
    """OB-722: absence means not run; outside the session an empty window says nothing and is not written."""
    windows = begun(ExportKind.SCALP)
    windows.frame(at(OPEN_S + 179))
    assert names(windows, OPEN_S + 200) == ["scalp_20131007_0900.jsonl", "scalp_20131007_0901.jsonl"]
    windows.frame(at(OPEN_S + 190))
    assert names(windows, OPEN_S + 200) == ["scalp_20131007_0902.jsonl"]


def test_windows_in_which_the_recorder_did_not_run_are_absent() -> None:
    """OB-722: killed at 09:01:30, back at 09:05:10."""
    windows = begun(ExportKind.SCALP)
    windows.frame(at(OPEN_S + 90))
    windows.trades([trade_line(row())])
    windows.frame(at(OPEN_S + 310, NoteKind.STARTED))
    windows.frame(at(OPEN_S + 400))
    assert names(windows, OPEN_S + 500) == [
        "scalp_20131007_0900.jsonl", "scalp_20131007_0901.jsonl", "scalp_20131007_0905.jsonl",
    ]  # fmt: skip


def test_only_the_session_has_empty_windows() -> None:
    """OB-722: from open to close."""
    windows = begun(ExportKind.SCALP)
    windows.frame(at(CLOSE_S + 900))
    found = names(windows, CLOSE_S + 900)
    assert (found[0], found[-1], len(found)) == (
        "scalp_20131007_0900.jsonl",
        "scalp_20131007_1529.jsonl",
        390,
    )


def test_the_recorders_events_are_lines_and_its_inputs_are_not() -> None:
    """OB-722: what the journal notes, with its place; nothing of the trigger engine's inputs."""
    windows = begun(ExportKind.SYSTEM)
    windows.frame(at(OPEN_S - 200, NoteKind.TRACK_B, what="x"))
    stamp = MIDNIGHT_NS + (OPEN_S - 100) * SECOND
    windows.frame(Frame(Kind.CONNECTION, 1, 1, stamp, stamp, b'["opened"]'))
    (window,) = windows.due(MIDNIGHT_NS + (OPEN_S + 5) * SECOND)
    lines = [json.loads(line) for line in window.lines]
    assert [line["kind"] for line in lines] == ["note", "note", "connection"]
    assert lines[0] == {
        "received_us": (MIDNIGHT_NS + (OPEN_S - 300) * SECOND) // 1000, "connection": 0, "sequence": 7, "kind": "note",
        "event": {"note": "started"},
    }  # fmt: skip
    assert lines[2]["event"] == {"event": ["opened"]}


def test_the_fields_of_a_trade_and_of_a_sweep() -> None:
    """OB-722: those of OB-552 and OB-210, with units in the names; canonical JSON."""
    one = trade(1)
    assert json.loads(trade_line(row(1))) == {
        "code": "990001", "sequence": 5, "record": 0, "event_s": one.event_s, "received_us": 1_381_104_000_000_000,
        "price_krw": one.price, "shares": one.shares, "side": one.side, "counted": 1, "chain_shares": one.chain_shares,
        "chain_epoch": 0, "chain_value_krw": one.chain_value, "session": "20/0/2", "sells": one.sells, "buys": one.buys,
    }  # fmt: skip
    values = {"code": "005930", "price": 5, "ask_shares": 7, "reference_price": 4}
    assert sweep_line(values) == b'{"ask_shares":7,"code":"005930","price_krw":5,"reference_price_krw":4}'


def test_a_sweep_belongs_to_the_window_in_which_it_ended() -> None:
    """OB-722."""
    windows = begun(ExportKind.SWING)
    windows.frame(at(OPEN_S + 605))
    windows.sweep(MIDNIGHT_NS + (OPEN_S + 4) * SECOND, [{"code": "990001", "price": 1}])
    (window,) = windows.due(MIDNIGHT_NS + (OPEN_S + 605) * SECOND)
    assert (window.name, window.lines) == ("swing_20131007_0900.jsonl", (b'{"code":"990001","price_krw":1}',))


def test_a_clock_that_steps_back_changes_no_order() -> None:
    """OB-004: a frame is never filed before one that the journal holds before it."""
    windows = begun(ExportKind.SCALP)
    windows.frame(at(OPEN_S + 70))
    windows.frame(at(OPEN_S + 10))
    windows.trades([trade_line(row())])
    assert [len(window.lines) for window in windows.due(MIDNIGHT_NS + (OPEN_S + 130) * SECOND)] == [0, 1]


def test_nothing_is_due_before_the_first_frame() -> None:
    windows = Windows(ExportKind)
    assert (windows.next_end_ns(), windows.due(1 << 62)) == (None, [])
    windows.frame(at(OPEN_S + 30))
    assert windows.next_end_ns() == MIDNIGHT_NS + (OPEN_S + 60) * SECOND + SETTLE_NS


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2)), min_size=1, max_size=30),
    st.lists(st.integers(0, 900), max_size=8),
)
def test_when_somebody_looks_changes_no_window(moments: list[tuple[int, int]], looks: list[int]) -> None:
    """OB-1021, OB-721: a recorder that looks often and one that reads everything at the end give the same files."""
    frames = sorted(moments)
    end_ns = MIDNIGHT_NS + (OPEN_S + 900) * SECOND
    kinds = (ExportKind.SCALP, ExportKind.SYSTEM)
    often, once = begun(*kinds), begun(*kinds)
    found: list[Window] = []
    pending = sorted(looks)
    for second, trades in frames:
        while pending and pending[0] < second:
            found += often.due(MIDNIGHT_NS + (OPEN_S + pending.pop(0)) * SECOND)
        for windows in (often, once):
            windows.frame(at(OPEN_S + second))
            windows.trades([trade_line(row())] * trades)
    found += often.due(end_ns)
    assert sorted(found) == sorted(once.due(end_ns))


@pytest.mark.parametrize("kind", ExportKind)
def test_a_kind_that_is_not_wanted_takes_nothing(kind: ExportKind) -> None:
    windows = begun(*(other for other in ExportKind if other is not kind))
    windows.trades([trade_line(row())])
    windows.sweep(MIDNIGHT_NS + OPEN_S * SECOND, [{"code": "1"}])
    assert all(window.kind is not kind for window in windows.due(MIDNIGHT_NS + CLOSE_S * SECOND))
