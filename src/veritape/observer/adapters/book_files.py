"""Order books on disk: one sorted Parquet file an hour with a seal, below ``books/`` (OB-558)."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from veritape.observer.adapters.seal_files import SealedFolder
from veritape.observer.adapters.segment_files import (
    ROW_GROUP,
    ZSTD_LEVEL,
    numbers,
    read_columns,
    texts,
)
from veritape.observer.books import COLUMNS, BookRows, read_seal, seal_document

ORDER = ("code", "received_us", "sequence", "record")
"""What the rows are sorted by."""

SCHEMA = pa.schema(
    [("code", pa.dictionary(pa.int32(), pa.string())), *((name, pa.int64()) for name in COLUMNS)]
)
"""Columns of a file."""

KEY = ("received_us", "sequence", "record")
"""What tells a row from every other."""

Keys = set[tuple[int, ...]]


class BookStore:
    """The ``books/`` folder of one venue."""

    def __init__(self, data: Path, venue: str = "KRX") -> None:
        self._venue = venue
        self._sealed = SealedFolder(data / "books" / f"venue={venue}", read_seal)

    def seals(self, day: str) -> list[dict[str, Any]]:
        """Return a day's seals by hour and part."""
        return [document for _, document in self._sealed.seals(day)]

    def write(self, day: str, hour: int, rows: BookRows) -> Path:
        """Seal the books of an hour: the file first, then the seal that names its hash; return the file."""
        path, part = self._sealed.next_file(day, hour)
        content = encode(rows)
        digest, previous = blake3(content).hexdigest(), self._sealed.head()
        self._sealed.publish(
            path, content, seal_document(self._venue, day, hour, part, digest, rows, previous)
        )
        return path

    def unsealed(self, day: str, hour: int, rows: BookRows) -> BookRows:
        """Return the rows that no file holds yet: after a restart the journal brings all again."""
        known = self._sealed_keys(day, hour)
        places = [COLUMNS.index(name) for name in KEY]
        left = BookRows()
        for number, code in enumerate(rows.codes):
            if tuple(rows.columns[place][number] for place in places) not in known:
                left.codes.append(code)
                for column, values in zip(left.columns, rows.columns, strict=True):
                    column.append(values[number])
        return left

    def _sealed_keys(self, day: str, hour: int) -> Keys:
        keys: Keys = set()
        for path, seal in self._sealed.seals(day):
            if seal["hour"] == hour:
                table = read_columns(path, list(KEY))
                keys.update(zip(*(table[name].to_pylist() for name in KEY), strict=True))
        return keys


def encode(rows: BookRows) -> bytes:
    """Return the Parquet bytes of an hour's books: the same rows in any order give the same bytes."""
    values = [numbers(np.frombuffer(column, np.int64), pa.int64()) for column in rows.columns]
    table = pa.Table.from_arrays([texts(rows.codes), *values], names=["code", *COLUMNS])
    table = table.sort_by([(name, "ascending") for name in ORDER])
    target = io.BytesIO()
    pq.write_table(
        table.cast(SCHEMA),
        target,
        row_group_size=ROW_GROUP,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=["code"],
        column_encoding=dict.fromkeys(COLUMNS, "DELTA_BINARY_PACKED"),
        store_schema=False,
    )
    return target.getvalue()
