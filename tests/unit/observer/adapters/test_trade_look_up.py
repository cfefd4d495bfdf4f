"""Old repeats are compared with what was recorded, sealed or not."""

from pathlib import Path

import pytest
from tests.tape import DAY, own_note, trade

from veritape.observer.adapters import trade_look_up
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.trade_look_up import TradeLookUp
from veritape.observer.completeness import HOLD_NS, Problem
from veritape.observer.frames import Trade
from veritape.observer.notes import NoteKind
from veritape.observer.recent_trades import KEPT
from veritape.observer.recorder import Applied

ROWS = 12_000
"""Trades of the line: those before the last 4,096 are old."""

OLD = (10, 2_500, 7_500)
"""Rows of the first hour, of it again, and of one that is not sealed."""


def again(recording: Recording, *trades: Trade) -> Applied:
    applied = Applied()
    for one in trades:
        recording.recorder.record_trade(own_note(NoteKind.STARTED), 0, one, applied)
    return applied


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    one = Recording(tmp_path)
    again(one, *(trade(row) for row in range(1, ROWS)))
    hours = sorted(one.recorder.day(DAY).rows)
    one.seal_due(DAY, (hours[0] + 1) * 3600, 0)
    sealed = {row for row in OLD if trade(row).event_s // 3600 == hours[0]}
    assert sealed == set(OLD[:2]), "some are sealed and some wait"
    assert max(OLD) < ROWS - KEPT
    return one


def test_an_old_repeat_is_a_duplicate_wherever_its_trade_lies(recording: Recording) -> None:
    """OB-645: found in a segment and among the rows that wait for theirs: dropped, counted, nothing doubled."""
    line = recording.recorder.day(DAY).line("990001")
    before = line.recorded
    assert again(recording, *(trade(row) for row in OLD)).duplicates == line.duplicates == len(OLD)
    assert (line.recorded, line.problems, len(line.axes)) == (before, {}, 1)


def test_an_old_record_that_was_not_recorded_so_is_an_overlap(recording: Recording) -> None:
    """OB-645, OB-604: another price, or another size inside what was recorded: no duplicate, though its totals fit."""
    line = recording.recorder.day(DAY).line("990001")
    before = line.recorded
    for row in OLD:
        one = trade(row)
        other = one._replace(price=one.price + 100)
        assert again(recording, other) == Applied()
        inner = one._replace(chain_shares=one.chain_shares - 1, shares=one.shares - 2)
        if inner.shares > 0:
            assert again(recording, inner).duplicates == 0
    line.settle(10 * HOLD_NS + own_note(NoteKind.STARTED).received_ns)
    assert line.duplicates == 0
    assert line.problems[Problem.CHAIN_OVERLAP] >= len(OLD)
    assert line.recorded == before


def test_a_restarted_counter_is_still_seen(recording: Recording) -> None:
    """OB-605: three old records that join among themselves and were never recorded so begin an epoch, and are kept."""
    line, start = recording.recorder.day(DAY).line("990001"), trade(1)
    restarted = [
        start._replace(
            price=7,
            shares=1,
            chain_shares=n,
            chain_value=7 * n,
            sells=0,
            buys=n,
            side=1,
            event_s=trade(1).event_s,
        )
        for n in (1, 2, 3)
    ]
    applied = again(recording, *restarted)
    assert (applied.recorded, len(line.axes)) == (3, 2)


def test_a_look_up_sees_what_was_recorded_since(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-645: a place that is not in the index is looked for again once the line has grown; few indexes are kept."""
    look_up = TradeLookUp(recording.segments, recording.recorder)
    first, last = trade(1), trade(ROWS - 1)
    assert look_up(DAY, "990001", 0, first.chain_shares) == (first.shares, first.price)
    assert look_up(DAY, "990001", 0, trade(ROWS).chain_shares) is None
    again(recording, trade(ROWS))
    assert look_up(DAY, "990001", 0, trade(ROWS).chain_shares) == (trade(ROWS).shares, trade(ROWS).price)
    assert look_up(DAY, "990001", 1, first.chain_shares) is None
    monkeypatch.setattr(trade_look_up, "INDEXES", 1)
    assert look_up(DAY, "990002", 0, 1) is None
    assert look_up(DAY, "990001", 0, last.chain_shares) == (last.shares, last.price)


def test_indexes_go_with_their_day(recording: Recording) -> None:
    """OB-012: 24 bytes a trade, which nothing asks for once the next day begins."""
    look_up, first = TradeLookUp(recording.segments, recording.recorder), trade(1)
    assert look_up(DAY, "990001", 0, first.chain_shares) is not None
    look_up.forget_before(DAY)
    assert list(look_up._indexes) == [(DAY, "990001")]
    look_up.forget_before("20131008")
    assert look_up._indexes == {}


def test_the_look_up_is_no_part_of_a_checkpoint(recording: Recording) -> None:
    """OB-509: a state is values; the recorder that takes it keeps its own look-up."""
    recording.note_block(DAY, "0900-0.vtj", 0)
    found = recording.checkpoint()
    assert found is not None
    other = Recording(recording.data)
    own = other.recorder.look_up
    assert other._resume([recording.journal_folder / DAY / "0900-0.vtj"], found) == (0, 0)
    assert other.recorder.look_up is own
    assert again(other, trade(10)).duplicates == 1
