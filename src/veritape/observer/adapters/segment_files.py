"""Segments on disk: Parquet files with their seals, and reading them back (OB-551 to 562)."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from veritape.kernel.errors import CheckFailedError
from veritape.observer import segments
from veritape.observer.adapters.seal_files import SealedFolder
from veritape.observer.adapters.segment_columns import (
    Integers,
    Table,
    chain_ends,
    line_documents,
    missing,
    sorted_table,
)
from veritape.observer.rows import NAMES, TradeRows
from veritape.observer.segments import Before, TapeRow

ROW_GROUP = 1_048_576
"""Rows of one row group."""

ZSTD_LEVEL = 3
"""Compression of the Parquet pages."""

SCHEMA = pa.schema(
    [
        ("code", pa.dictionary(pa.int32(), pa.string())),
        ("sequence", pa.int64()),
        ("record", pa.int32()),
        ("event_s", pa.int32()),
        ("received_us", pa.int64()),
        ("price", pa.int64()),
        ("shares", pa.int64()),
        ("side", pa.int32()),
        ("counted", pa.int32()),
        ("chain_shares", pa.int64()),
        ("chain_epoch", pa.int32()),
        ("value_hole", pa.int64()),
        ("session", pa.dictionary(pa.int32(), pa.string())),
        ("sells", pa.int32()),
        ("buys", pa.int32()),
    ]
)
"""Columns of a segment (OB-552)."""

NUMBERS = {
    field.name: field.type for field in SCHEMA if pa.types.is_integer(field.type) and field.name in NAMES
}
"""Columns that stand in a packed row under the same name, with their types."""


@dataclass(frozen=True)
class Seal:
    """A sealed segment."""

    path: Path
    """The Parquet file."""
    document: Mapping[str, Any]
    """Its seal."""
    ends: Mapping[str, Before] = field(default_factory=dict, compare=False)
    """Where each code's chain stands after it; known to who wrote it."""

    @property
    def key(self) -> tuple[str, int, int]:
        """Return day, hour and part."""
        return self.document["day"], self.document["hour"], self.document["part"]


class SegmentStore:
    """The ``trades/`` folder of one venue."""

    texts: ClassVar[tuple[str, ...]] = ("code", "session")
    """Columns that hold text."""

    def __init__(self, data: Path, venue: str = "KRX") -> None:
        self._venue = venue
        self._sealed = SealedFolder(data / "trades" / f"venue={venue}", segments.read_seal)

    def seals(self, day: str | None = None) -> list[Seal]:
        """Return every readable seal, of one day or all, by day, hour and part."""
        return [Seal(path, document) for path, document in self._sealed.seals(day)]

    def days(self) -> list[str]:
        """Return every day with a folder, rising."""
        return sorted(folder.name.removeprefix("day=") for folder in self._sealed.folder.glob("day=*"))

    def unreadable_seals(self, day: str) -> list[Path]:
        """Return the files of a day that are named like seals and are none."""
        return self._sealed.unreadable(day)

    def last_seal_hash(self) -> str:
        """Return the BLAKE3 of the seal document that the next one follows, empty before the first."""
        return self._sealed.head()

    def chain_problems(self) -> set[str]:
        """Return the hashes of seals that break the venue's chain."""
        return self._sealed.problems()

    def write(
        self,
        day: str,
        hour: int,
        rows: TradeRows,
        before: Mapping[str, Before],
        journal: list[dict[str, Any]],
    ) -> Seal:
        """Seal the rows of an hour: first the Parquet file, then the seal that names its hash."""
        path, part = self._sealed.next_file(day, hour)
        table = sorted_table(rows)
        gaps = missing(table, before)
        file_bytes = encode(table, gaps.value)
        document = segments.seal_document(
            venue=self._venue,
            day=day,
            hour=hour,
            part=part,
            rows=len(rows),
            file_bytes=file_bytes,
            journal=journal,
            lines=line_documents(table, gaps),
            previous=self.last_seal_hash(),
            widths=sorted({47 if session.rpartition("/")[2] else 46 for session in table.sessions}),
        )
        self._sealed.publish(path, file_bytes, document)
        return Seal(path, document, chain_ends(table))

    def sealed_keys(self, day: str, hour: int) -> set[tuple[str, int, int]]:
        """Return (code, epoch, chain shares) of every sealed row of an hour."""
        keys: set[tuple[str, int, int]] = set()
        for seal in self.seals(day):
            if seal.key[1] == hour:
                table = read_columns(seal.path, ["code", "chain_epoch", "chain_shares"])
                columns = (
                    table["code"].to_pylist(),
                    table["chain_epoch"].to_pylist(),
                    table["chain_shares"].to_pylist(),
                )
                keys.update(zip(*columns, strict=True))
        return keys

    def trades(self, day: str, code: str) -> Iterator[tuple[Seal, pa.Table]]:
        """Yield each sealed segment of a day that holds a code, with that code's rows in chain order."""
        for seal in self.seals(day):
            if code in seal.document["lines"]:
                yield seal, self.rows_of(seal, code)

    def rows_of(self, seal: Seal, code: str) -> pa.Table:
        """Return a code's rows of one segment, in chain order.

        Raises:
            CheckFailedError: the file holds other rows than its seal says.
        """
        lines = seal.document["lines"]
        before = sum(lines[other]["rows"] for other in lines if other < code)
        rows = read_columns(seal.path, texts_of=self.texts).slice(
            before, lines[code]["rows"] if code in lines else 0
        )
        if set(rows["code"].unique().to_pylist()) - {code}:
            raise CheckFailedError(f"{seal.path}: the rows of {code} are not where its seal says")
        return rows

    def tape(self, seal: Seal, code: str) -> bytes:
        """Return a code's canonical tape of one segment, after checking file and rows against the seal.

        Raises:
            CheckFailedError: the file or the rows are not those that were sealed.
        """
        if blake3(seal.path.read_bytes()).hexdigest() != seal.document["blake3"]:
            raise CheckFailedError(f"{seal.path}: the file is not the one that was sealed")
        tape_rows = self._tape_rows(self.rows_of(seal, code))
        if (
            segments.rows_sha256(code, tape_rows, seal.document["price_scale"])
            != seal.document["lines"][code]["rows_sha256"]
        ):
            raise CheckFailedError(f"{seal.path}: the rows of {code} are not those that were sealed")
        return segments.tape_bytes(code, seal.document["price_scale"], tape_rows)

    def _tape_rows(self, rows: pa.Table) -> list[TapeRow]:
        names = ("event_s", "side", "counted", "price", "shares")
        return [TapeRow(*values) for values in zip(*(rows[name].to_pylist() for name in names), strict=True)]


def encode(table: Table, value_holes: Integers) -> bytes:
    """Return a segment's Parquet bytes: the same rows give the same bytes."""
    rows = table.rows
    columns = {name: numbers(rows[name], kind) for name, kind in NUMBERS.items()}
    columns |= {
        "chain_epoch": numbers(rows["epoch"], pa.int32()),
        "value_hole": numbers(value_holes, pa.int64()),
        "code": pa.DictionaryArray.from_arrays(numbers(table.code, pa.int32()), texts(table.codes)),
        "session": pa.DictionaryArray.from_arrays(numbers(table.session, pa.int32()), texts(table.sessions)),
    }
    content = pa.Table.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)
    return parquet_bytes(content, 0)


def parquet_bytes(content: pa.Table, price_scale: int) -> bytes:
    """Return a table as the Parquet file of a segment: dictionaries for text, differences for numbers (OB-552)."""
    target = io.BytesIO()
    with pq.ParquetWriter(
        target,
        content.schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=[one.name for one in content.schema if not pa.types.is_integer(one.type)],
        column_encoding={
            one.name: "DELTA_BINARY_PACKED" for one in content.schema if pa.types.is_integer(one.type)
        },
        store_schema=False,
    ) as writer:
        writer.write_table(content, row_group_size=ROW_GROUP)
        writer.add_key_value_metadata({"price_scale": str(price_scale)})
    return target.getvalue()


def read_columns(path: Path, names: list[str] | None = None, texts_of: Sequence[str] = ()) -> pa.Table:
    """Return a file's columns; ``pq.read_table`` would do, and import pandas, which takes a second.

    Args:
        path: a Parquet file.
        names: of the columns; all when None.
        texts_of: columns of few different texts, left as the dictionaries that they are stored as: a third of the time.
    """
    with pq.ParquetFile(path, read_dictionary=list(texts_of), pre_buffer=False) as file:
        return file.read(columns=names)


def numbers(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Return a column of integers; ``pa.array`` would do, and import pandas, which nothing else here needs."""
    content = np.ascontiguousarray(values, dtype=f"i{kind.bit_width // 8}")
    return pa.Array.from_buffers(kind, len(content), [None, pa.py_buffer(content)])


def texts(values: Sequence[str]) -> pa.Array:
    """Return a column of strings."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)
