"""Segments of Binance trades on disk: the columns of OB-552 for it, the same seals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from veritape.observer import segments
from veritape.observer.adapters.segment_files import (
    Seal,
    SegmentStore,
    numbers,
    parquet_bytes,
    read_columns,
    texts,
)
from veritape.observer.binance.recorder import Row
from veritape.observer.binance.segments import COLUMNS, columns, line_documents, tape_row
from veritape.observer.binance.statements import VENUE
from veritape.observer.segments import TapeRow
from veritape.wire.binance.streams import PRICE_SCALE

TYPES = {
    "code": pa.dictionary(pa.int32(), pa.string()), "record": pa.int32(), "side": pa.int32(), "counted": pa.int32(),
}  # fmt: skip
"""Columns that are no 64-bit integers."""

SCHEMA = pa.schema([(name, TYPES.get(name, pa.int64())) for name in COLUMNS])
"""Columns of a segment."""


class BinanceSegments(SegmentStore):
    """The ``trades/venue=BINANCE`` folder."""

    texts: ClassVar[tuple[str, ...]] = ("code",)
    """Columns that hold text."""

    def __init__(self, data: Path) -> None:
        super().__init__(data, VENUE)

    def seal(
        self,
        day: str,
        hour: int,
        rows: Sequence[Row],
        before: Mapping[str, int],
        journal: list[dict[str, Any]],
    ) -> Seal:
        """Seal the rows of an hour, in order of (code, trade id)."""
        path, part = self._sealed.next_file(day, hour)
        file_bytes = encode(rows)
        document = segments.seal_document(
            venue=VENUE,
            day=day,
            hour=hour,
            part=part,
            rows=len(rows),
            file_bytes=file_bytes,
            journal=journal,
            lines=line_documents(rows, before),
            previous=self.last_seal_hash(),
            widths=(),
            price_scale=PRICE_SCALE,
        )
        self._sealed.publish(path, file_bytes, document)
        return Seal(path, document)

    def sealed_ids(self, day: str, hour: int) -> set[tuple[str, int]]:
        """Return (code, trade id) of every sealed row of an hour."""
        keys: set[tuple[str, int]] = set()
        for seal in self.seals(day):
            if seal.key[1] == hour:
                table = read_columns(seal.path, ["code", "trade_id"])
                keys.update(zip(table["code"].to_pylist(), table["trade_id"].to_pylist(), strict=True))
        return keys

    def _tape_rows(self, rows: pa.Table) -> list[TapeRow]:
        names = ("event_us", "side", "price", "shares")
        return [tape_row(*values) for values in zip(*(rows[name].to_pylist() for name in names), strict=True)]


def encode(rows: Sequence[Row]) -> bytes:
    """Return a segment's Parquet bytes: the same rows give the same bytes."""
    return parquet_bytes(table_of(columns(rows), SCHEMA), PRICE_SCALE)


def table_of(content: Mapping[str, list[Any]], schema: pa.Schema) -> pa.Table:
    """Return a table of columns of integers and of text."""
    return pa.Table.from_arrays([_column(content[one.name], one.type) for one in schema], schema=schema)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_integer(kind):
        return numbers(np.array(values, np.int64), kind)
    if not pa.types.is_dictionary(kind):
        return texts(values)
    names = sorted(set(values))
    places = {name: place for place, name in enumerate(names)}
    indices = np.array([places[value] for value in values], np.int32)
    return pa.DictionaryArray.from_arrays(numbers(indices, pa.int32()), texts(names))


def segment_store(data: Path, venue: str) -> SegmentStore:
    """Return the segments of a venue, whichever it is."""
    return BinanceSegments(data) if venue == VENUE else SegmentStore(data, venue)
