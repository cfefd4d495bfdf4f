"""Sealed and unsealed trades as one table."""

from pathlib import Path

from tests.binance import CODE, FIRST, FIRST_ID, frames, trades

from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.binance.segment_files import SCHEMA
from veritape.observer.adapters.binance.view import view
from veritape.observer.binance.trade_ids import day_start_us


def recorded(data: Path, places: range) -> BinanceRecording:
    recording = BinanceRecording(data)
    tape = list(frames(FIRST))
    for place in places:
        recording.recorder.apply(tape[place])
    return recording


def test_sealed_segments_and_the_durable_rest_are_one_table(tmp_path: Path) -> None:
    """OB-562: by venue, day, code and time range, with its reach; late parts and rows that wait lie in their places."""
    recording = recorded(tmp_path, range(0, 300, 2))
    recording.seal_due(FIRST, 0, all_hours=True)
    for place in range(1, 200, 2):
        recording.recorder.apply(list(frames(FIRST))[place])
    found = view(recording, FIRST, CODE)
    assert found.trades.column_names == SCHEMA.names
    ids = sorted([*range(FIRST_ID, FIRST_ID + 200), *range(FIRST_ID + 200, FIRST_ID + 300, 2)])
    assert found.trades["trade_id"].to_pylist() == ids
    assert (found.sealed_rows, found.reach_us) == (150, recording.recorder.venue_us)
    assert set(found.trades["code"].to_pylist()) == {CODE}


def test_a_part_of_a_day(tmp_path: Path) -> None:
    """OB-562: from a microsecond to before another."""
    recording = recorded(tmp_path, range(500))
    times = [one.event_us - day_start_us(FIRST) for one in trades(FIRST)[:500]]
    found = view(recording, FIRST, CODE, times[100], times[300])
    assert len(found.trades) == sum(times[100] <= one < times[300] for one in times)
    assert (len(view(recording, FIRST, "ETHUSDT").trades), len(view(recording, "20200101", CODE).trades)) == (
        0,
        0,
    )
