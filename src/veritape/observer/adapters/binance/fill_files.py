"""Fetched trades on disk, apart from the recorded ones: readers get them only by asking (OB-705)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from veritape.kernel.files import write_atomically
from veritape.observer.adapters.binance.segment_files import TYPES, table_of
from veritape.observer.adapters.journal_files import SEALED_MODE
from veritape.observer.adapters.segment_files import parquet_bytes, read_columns
from veritape.observer.binance.lines import Filled
from veritape.observer.binance.statements import VENUE
from veritape.observer.gaps import gap_id
from veritape.wire.binance.streams import PRICE_SCALE

BY_ID, AGGREGATE = "by_id", "aggregate"
"""Sources: a trade of its own, or the fills of one taker together."""

COLUMNS = (
    "code", "trade_id", "last_id", "trades", "event_us", "price", "shares", "side", "aggregate_id", "fetched_us",
    "source", "gap_id",
)  # fmt: skip
"""``trade_id`` to ``last_id`` are the ids, ``trades`` how many of them were missing, ``shares`` their quantity together."""

TEXT = {"source": pa.dictionary(pa.int32(), pa.string()), "gap_id": pa.string()}
"""Columns of text beside the code."""

SCHEMA = pa.schema([(name, (TYPES | TEXT).get(name, pa.int64())) for name in COLUMNS])
"""Columns of a file."""


class FillFiles:
    """The ``backfill/trades/venue=BINANCE`` folder."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "backfill" / "trades" / f"venue={VENUE}"

    def paths(self, day: str) -> list[Path]:
        """Return a day's files."""
        return sorted((self._folder / f"day={day}").glob("*.parquet"))

    def write(self, day: str, filled: Sequence[Filled]) -> Path | None:
        """Write what is not in the day's files yet; return the new file, None when there is nothing."""
        known = self._known(day)
        new = sorted(one for one in filled if (one.code, one.first_id) not in known)
        if not new:
            return None
        stamp_us = new[0].event_us % 86_400_000_000
        stem = f"{stamp_us // 3_600_000_000:02}{stamp_us // 60_000_000 % 60:02}"
        path = self._folder / f"day={day}" / f"{stem}-{len(self.paths(day))}.parquet"
        write_atomically(path, encode(day, new), SEALED_MODE)
        return path

    def _known(self, day: str) -> set[tuple[str, int]]:
        keys: set[tuple[str, int]] = set()
        for path in self.paths(day):
            table = read_columns(path, ["code", "trade_id"])
            keys.update(zip(table["code"].to_pylist(), table["trade_id"].to_pylist(), strict=True))
        return keys


def encode(day: str, filled: Sequence[Filled]) -> bytes:
    """Return a file's bytes: the same trades give the same bytes."""
    columns: dict[str, list[Any]] = {
        "code": [one.code for one in filled],
        "trade_id": [one.first_id for one in filled],
        "last_id": [one.last_id for one in filled],
        "trades": [one.trades for one in filled],
        "event_us": [one.event_us for one in filled],
        "price": [one.price for one in filled],
        "shares": [one.quantity for one in filled],
        "side": [one.side for one in filled],
        "aggregate_id": [one.aggregate_id for one in filled],
        "fetched_us": [one.fetched_us for one in filled],
        "source": [BY_ID if one.single else AGGREGATE for one in filled],
        "gap_id": [gap_id(VENUE, one.code, day, one.left_id) for one in filled],
    }
    return parquet_bytes(table_of(columns, SCHEMA), PRICE_SCALE)
