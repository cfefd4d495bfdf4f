"""Order books on disk: one sorted Parquet file an hour with a seal, below ``books/`` (OB-558)."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from veritape.kernel.canonical import canonical_json
from veritape.kernel.files import write_atomically
from veritape.observer.adapters.segment_files import (
    ROW_GROUP,
    SEAL_SUFFIX,
    SEALED_MODE,
    ZSTD_LEVEL,
    numbers,
    read_columns,
    texts,
)
from veritape.observer.books import COLUMNS, BookRows, read_seal, seal_document
from veritape.observer.segments import chain_head, file_stem

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
        self._folder = data / "books" / f"venue={venue}"
        self._head: str | None = None

    def seals(self, day: str) -> list[dict[str, Any]]:
        """Return a day's seals by hour and part."""
        documents = [read_seal(path.read_bytes()) for path in self._seal_paths(day)]
        return sorted(filter(None, documents), key=lambda seal: (seal["hour"], seal["part"]))

    def write(self, day: str, hour: int, rows: BookRows) -> Path:
        """Seal the books of an hour: the file first, then the seal that names its hash; return the file."""
        part = sum(seal["hour"] == hour for seal in self.seals(day))
        path = self._folder / f"day={day}" / f"{file_stem(hour, part)}.parquet"
        content = encode(rows)
        digest = blake3(content).hexdigest()
        seal = canonical_json(
            seal_document(self._venue, day, hour, part, digest, rows, self._last_seal_hash())
        )
        write_atomically(path, content, SEALED_MODE)
        write_atomically(path.with_suffix(SEAL_SUFFIX), seal, SEALED_MODE)
        self._head = blake3(seal).hexdigest()
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
        for seal in self.seals(day):
            if seal["hour"] == hour:
                path = self._folder / f"day={day}" / f"{file_stem(hour, seal['part'])}.parquet"
                table = read_columns(path, list(KEY))
                keys.update(zip(*(table[name].to_pylist() for name in KEY), strict=True))
        return keys

    def _seal_paths(self, day: str) -> list[Path]:
        return list(self._folder.glob(f"day={day}/*{SEAL_SUFFIX}"))

    def _last_seal_hash(self) -> str:
        if self._head is None:
            contents = [path.read_bytes() for path in self._seal_paths("*")]
            self._head = chain_head((blake3(c).hexdigest(), seal) for c in contents if (seal := read_seal(c)))
        return self._head


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
