"""Fetched trades and minute bars on disk, apart from everything that was recorded (OB-705, OB-706).

``backfill/trades/venue=V/day=D/HHMM-<n>.parquet`` and ``backfill/bars/...`` alike: HHMM is the time of the fetch in Seoul,
n counts within it. A file appears once, complete, and is never changed: its rows are known before they count.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.json import ParseOptions, read_json

from veritape.kernel.canonical import canonical_json
from veritape.kernel.files import write_atomically
from veritape.observer.adapters.journal_files import SEALED_MODE
from veritape.observer.adapters.segment_files import SCHEMA, ZSTD_LEVEL, read_columns
from veritape.observer.backfill import Fetched, Source
from veritape.observer.bars import Bar
from veritape.observer.frames import Trade
from veritape.observer.recorder import kst

TRADES, BARS = "trades", "bars"
"""Folders below ``backfill/``."""

TRADE_SCHEMA = pa.schema(
    [
        *((one.name, pa.string() if pa.types.is_dictionary(one.type) else one.type) for one in SCHEMA),
        ("chain_value", pa.int64()),
        ("source", pa.string()),
        ("fetched_us", pa.int64()),
        ("gap_id", pa.string()),
    ]
)
"""A segment's columns, null where the source does not say, won of the day (of reparsed rows), and the provenance."""

BAR_SCHEMA = pa.schema(
    [
        ("code", pa.string()),
        ("label_s", pa.int32()),
        ("open", pa.int64()),
        ("high", pa.int64()),
        ("low", pa.int64()),
        ("close", pa.int64()),
        ("shares", pa.int64()),
        ("chain_value", pa.int64()),
        ("tr_id", pa.string()),
        ("fetched_us", pa.int64()),
    ]
)
"""Columns of a file of bars; ``tr_id`` is the call that brought them."""


COUNTERS = ("chain_value", "side", "session", "sells", "buys")
"""Columns that only a reparsed row fills."""


class BackfillFiles:
    """Everything below ``backfill/`` of one venue."""

    def __init__(self, data: Path, venue: str) -> None:
        self._data = data
        self._venue = venue

    def folder(self, kind: str, day: str) -> Path:
        """Return where a day's files of a kind lie."""
        return self._data / "backfill" / kind / f"venue={self._venue}" / f"day={day}"

    def paths(self, kind: str, day: str) -> list[Path]:
        """Return a day's files of a kind, oldest first."""
        return sorted(self.folder(kind, day).glob("*.parquet"), key=_order)

    def add_trades(self, day: str, rows: Sequence[Fetched], now_ns: int) -> Path:
        """Write fetched trades; they count once this returns."""
        ordered = sorted(rows, key=lambda row: (row.code, row.epoch, row.chain_shares))
        return self._write(TRADES, day, _table([_document(row) for row in ordered], TRADE_SCHEMA), now_ns)

    def add_bars(self, day: str, code: str, bars: Iterable[Bar], tr_id: str, now_ns: int) -> Path:
        """Write the minute bars of one code."""
        rows = [
            {"code": code, **bar._asdict(), "tr_id": tr_id, "fetched_us": now_ns // 1000}
            for bar in sorted(bars)
        ]
        return self._write(BARS, day, _table(rows, BAR_SCHEMA), now_ns)

    def trades(self, day: str) -> dict[str, list[Fetched]]:
        """Return every fetched trade of a day by code, in the order in which they were fetched."""
        found: dict[str, list[Fetched]] = {}
        for path in self.paths(TRADES, day):
            for document in read_columns(path).to_pylist():
                found.setdefault(document["code"], []).append(_fetched(day, document))
        return found

    def bars(self, day: str) -> dict[str, dict[int, Bar]]:
        """Return every bar of a day: code -> label -> bar, the newest fetch of each."""
        found: dict[str, dict[int, Bar]] = {}
        for path in self.paths(BARS, day):
            for document in read_columns(path).to_pylist():
                bar = Bar(*(document[name] for name in Bar._fields))
                found.setdefault(document["code"], {})[bar.label_s] = bar
        return found

    def _write(self, kind: str, day: str, table: pa.Table, now_ns: int) -> Path:
        folder = self.folder(kind, day)
        _, second = kst(now_ns)
        stem = f"{second // 3600:02}{second // 60 % 60:02}"
        number = 1 + max((_order(path)[1] for path in folder.glob(f"{stem}-*.parquet")), default=-1)
        target = io.BytesIO()
        pq.write_table(
            table.replace_schema_metadata({"price_scale": "0"}),
            target,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            store_schema=False,
        )
        path = folder / f"{stem}-{number}.parquet"
        write_atomically(path, target.getvalue(), SEALED_MODE)
        return path


def _table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as columns; ``Table.from_pylist`` would do, and import pandas, which takes a second."""
    lines = b"\n".join(canonical_json(dict(row)) for row in rows)
    return read_json(io.BytesIO(lines), parse_options=ParseOptions(explicit_schema=schema)).select(
        schema.names
    )


def _order(path: Path) -> tuple[str, int]:
    clock, _, number = path.stem.partition("-")
    return clock, int(number)


def _document(row: Fetched) -> dict[str, Any]:
    """Return a row of the file."""
    trade = row.trade
    counters = {} if trade is None else {name: getattr(trade, name) for name in COUNTERS}
    return {
        "code": row.code,
        "sequence": row.sequence,
        "record": row.record,
        "event_s": row.event_s,
        "received_us": row.received_us,
        "price": row.price,
        "shares": row.shares,
        "counted": None if trade is None else int(trade.counted),
        "chain_shares": row.chain_shares,
        "chain_epoch": row.epoch,
        "source": row.source.value,
        "fetched_us": row.fetched_us,
        "gap_id": row.gap_id,
        **counters,
    }


def _fetched(day: str, document: dict[str, Any]) -> Fetched:
    """Return a row of a file as a value."""
    reparsed = document["source"] == Source.REPARSED
    return Fetched(
        document["code"],
        document["event_s"],
        document["price"],
        document["shares"],
        document["chain_shares"],
        Source(document["source"]),
        document["fetched_us"],
        document["gap_id"],
        document["chain_epoch"],
        _trade(day, document) if reparsed else None,
        document["sequence"],
        document["record"],
        document["received_us"],
    )


def _trade(day: str, document: dict[str, Any]) -> Trade:
    values = {name: document[name] for name in Trade._fields if name in document}
    return Trade(**{**values, "counted": bool(document["counted"]), "day": day})
