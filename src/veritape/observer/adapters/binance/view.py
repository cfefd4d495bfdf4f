"""One symbol's trades of a UTC day as one table: sealed segments and the durable part of the journal (OB-562)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.binance.segment_files import SCHEMA, table_of
from veritape.observer.adapters.segment_files import numbers
from veritape.observer.binance.segments import columns
from veritape.observer.binance.trade_ids import DAY_US, day_start_us


class View(NamedTuple):
    """What is recorded of a span of time."""

    trades: pa.Table
    """Columns of a segment, by trade id."""
    sealed_rows: int
    """How many of them lie in sealed segments; the others wait for their hour's end."""
    reach_us: int
    """Venue time up to which the recording has read its journal: later trades may exist and are not here."""


def view(recording: BinanceRecording, day: str, code: str, from_us: int = 0, to_us: int = DAY_US) -> View:
    """Return a symbol's trades of a part of a day.

    Args:
        recording: loaded with the day.
        day: YYYYMMDD, UTC.
        code: symbol.
        from_us: first microsecond of the day.
        to_us: first microsecond of the day that is no longer wanted.
    """
    start_us = day_start_us(day)
    sealed = [_as_plain(table) for _, table in recording.segments.trades(day, code)]
    waiting = [
        row
        for rows in (recording.recorder.days[day].rows if day in recording.recorder.days else {}).values()
        for row in rows
        if row.trade.code == code
    ]
    parts = [_span(table, start_us + from_us, start_us + to_us) for table in sealed]
    unsealed = _span(_as_plain(table_of(columns(waiting), SCHEMA)), start_us + from_us, start_us + to_us)
    whole = pa.concat_tables([*parts, unsealed])
    return View(
        whole.take(_order(whole["trade_id"])), sum(len(part) for part in parts), recording.recorder.venue_us
    )


def _as_plain(table: pa.Table) -> pa.Table:
    """Return a table with text in place of dictionaries: files differ in theirs."""
    kinds = [
        pa.field(one.name, pa.string() if pa.types.is_dictionary(one.type) else one.type)
        for one in table.schema
    ]
    return table.cast(pa.schema(kinds))


def _span(table: pa.Table, start_us: int, end_us: int) -> pa.Table:
    times = _integers(table["event_us"])
    return table.take(numbers(np.flatnonzero((times >= start_us) & (times < end_us)), pa.int64()))


def _order(ids: pa.ChunkedArray) -> pa.Array:
    return numbers(np.argsort(_integers(ids), kind="stable"), pa.int64())


def _integers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.array(column.to_pylist(), np.int64)
