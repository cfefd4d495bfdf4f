"""Rows of files: compaction, size, audit, reads, recovery, stores (OB-563, OB-1035 to 1038, OB-1040, OB-1043)."""

import asyncio
import gzip
import io
import mmap
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import duckdb
import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq

from veritape.apps.bench.observer_tape import DAY, folder, frames, texts, write_journal
from veritape.apps.bench.results import Row, Size, rates, timed
from veritape.apps.recording_loop import run_recorder
from veritape.kernel.clock import SystemClock
from veritape.observer import journal
from veritape.observer.adapters.batch_audit import batch_audit, minute_bars
from veritape.observer.adapters.journal_files import mapped
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.journal_recovery import recover
from veritape.observer.adapters.journal_writer import Committed, JournalWriter
from veritape.observer.adapters.recording import Recording
from veritape.observer.journal import Frame

READ_CODE = "990001"
"""Symbol whose day is read."""

GIGABYTE = 10**9
"""What recovery is counted in."""

BATCH = 100
"""Rows that a store takes durably at once."""

BATCHES = 200
"""Batches of one run."""

PIECE = 1 << 20
"""Bytes that the bare checksum takes at once."""


def files(size: Size) -> Iterator[Row]:
    """Measure everything that reads and writes files."""
    with folder() as place:
        recording = _journalled(place / "day")
        recording.load()
        seals = recording.seal_due(DAY, 0, 0, all_hours=True)
        yield from _compaction(size, place)
        yield from _sizes(place, [seal.path for seal in seals])
        yield from _audit(size, [seal.path for seal in seals])
        yield from _reads(size, recording, [seal.path for seal in seals])
        yield from _recovery(size, place)
        yield from _stores(size, place)
        yield from _compression(size)


def _journalled(data: Path) -> Recording:
    """Return a folder that holds the day's journal and nothing else yet."""
    write_journal(data / "journal" / "KRX" / DAY / "0900-0.vtj")
    return Recording(data)


def _compaction(size: Size, place: Path) -> Iterator[Row]:
    """Read the day's journal and seal its hours: from the raw frames on the disk to the segments."""
    waiting = [_journalled(place / f"compaction-{number}") for number in range(size.runs + 1)]

    def compact() -> int:
        recording = waiting.pop()
        recording.load()
        return sum(seal.document["rows"] for seal in recording.seal_due(DAY, 0, 0, all_hours=True))

    sealed = pa.concat_tables(
        pq.ParquetFile(path).read() for path in sorted((place / "day" / "trades").rglob("*.parquet"))
    ).unify_dictionaries()  # fmt: skip

    def write() -> int:
        pq.write_table(sealed, io.BytesIO(), compression="zstd", compression_level=3)
        return len(sealed)

    values, peers = rates(size, compact, write)
    yield Row(
        "compaction_ticks_per_second", values, target=150_000, goal=500_000, peer="pyarrow write alone", peer_values=peers
    )  # fmt: skip


def _sizes(place: Path, sealed: list[Path]) -> Iterator[Row]:
    tables = [pq.ParquetFile(path).read() for path in sealed]
    rows = sum(map(len, tables))
    plain = place / "plain.parquet"
    for codec, name in (("zstd", "Parquet zstd defaults"), ("snappy", "Parquet snappy")):
        columns = [
            "code",
            "event_s",
            "received_us",
            "price",
            "shares",
            "chain_shares",
            "sells",
            "buys",
            "session",
        ]
        pq.write_table(
            pa.concat_tables(tables).unify_dictionaries().select(columns), plain, compression=codec
        )
        yield Row(
            f"bytes_per_tick beside {codec}", [sum(path.stat().st_size for path in sealed) / rows], "B", "lower", 10, 6,
            f"{name}, 9 of 15 columns", [plain.stat().st_size / rows],
        )  # fmt: skip


def _audit(size: Size, sealed: list[Path]) -> Iterator[Row]:
    def audit() -> int:
        return sum(line.recorded.trades for line in batch_audit(sealed, [], {}).values())

    def query() -> int:
        with duckdb.connect() as database:
            names = [str(path) for path in sealed]
            (found,) = database.execute(
                "SELECT sum(n) FROM (SELECT code, count(*) n, sum(shares), sum(price * shares) FROM"
                " read_parquet(?, hive_partitioning = false) GROUP BY code)",
                [names],
            ).fetchall()
            return int(found[0])

    values, peers = rates(size, audit, query)
    yield Row(
        "audit_seconds_per_million_ticks", [1e6 / value for value in values], "s", "lower", 1, 0.5,
        "one DuckDB sum a code", [1e6 / value for value in peers],
    )  # fmt: skip


def _reads(size: Size, recording: Recording, sealed: list[Path]) -> Iterator[Row]:
    """Measure what readers ask of sealed files (OB-563)."""

    def symbol_day() -> int:
        return min(1, sum(len(table) for _, table in recording.segments.trades(DAY, READ_CODE)))

    def plain_day() -> int:
        return min(1, sum(len(pq.ParquetFile(path).read()) for path in sealed))

    def bars() -> int:
        return min(1, len(minute_bars(sealed)))

    for name, work, target, peer, peer_work in (
        ("one_codes_day_from_sealed_files", symbol_day, 20, "every row of the files", plain_day),
        ("minute_bars_of_all_codes", bars, 1000, "every row of the files", plain_day),
    ):
        values, peers = rates(size, work, peer_work)
        yield Row(
            name, [1000 / value for value in values], "ms", "lower", target, None, peer, [1000 / value for value in peers]
        )  # fmt: skip


def _recovery(size: Size, place: Path) -> Iterator[Row]:
    path = place / "recovery" / "journal" / DAY / "0900-0.vtj"
    written = write_journal(path, level=0, repeat=5 if size.quick else 19)

    def scan() -> int:
        with mapped(path) as data:
            return len(journal.scan(data).blocks) and written

    def checksums() -> int:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for start in range(0, len(data), PIECE):
                google_crc32c.value(data[start : start + PIECE])
        return written

    scans, peers = rates(size, scan, checksums)
    seconds = []
    for _ in range(size.runs):
        os.truncate(path, written)
        seconds.append(timed(lambda: len(recover(path.parent.parent, place)))[1] * GIGABYTE / written)
        path.chmod(0o644)
    yield Row(
        "recovery_seconds_per_gb", seconds, "s", "lower", 1, 0.3, "crc32c over a memory map", [GIGABYTE / one for one in peers]
    )  # fmt: skip
    yield Row(
        "journal_scan_gb_per_second", [one / GIGABYTE for one in scans], "GB/s", target=1,
        peer="crc32c over a memory map", peer_values=[one / GIGABYTE for one in peers],
    )  # fmt: skip


def _stores(size: Size, place: Path) -> Iterator[Row]:
    """Append rows durably, a hundred at a time: the journal beside usual stores that take the same frames.

    A recorder must keep what came as it came. A store of a frame's five numbers alone has a tenth of the bytes to write:
    it stands beside the others and shows what the raw bytes cost.
    """
    number = iter(range(1_000))
    batch = list(frames()[:BATCH])
    whole = [(one.sequence, one.received_ns, one.monotonic_ns, one.data) for one in batch]
    numbers = [(text[11:17].decode(), n, n * 7, n * 11, n) for n, text in enumerate(texts()[:BATCH])]

    def append() -> int:
        return run_recorder(_append(place / f"store-{next(number)}", batch))

    def sqlite(rows: Sequence[tuple[object, ...]]) -> int:
        with sqlite3.connect(place / f"{next(number)}.sqlite", isolation_level=None) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            _insert(database, rows, BATCHES)
        return BATCH * BATCHES

    def duck() -> int:
        with duckdb.connect(str(place / f"{next(number)}.duckdb")) as database:
            _insert(database, whole, few)
        return BATCH * few

    def parquet() -> int:
        at = place / f"parquet-{next(number)}"
        at.mkdir()
        columns = list(zip(*whole, strict=True))
        for n in range(few):
            with (at / f"{n}.parquet").open("wb") as file:
                pq.write_table(pa.table({str(k): column for k, column in enumerate(columns)}), file)
                file.flush()
                os.fsync(file.fileno())
        return BATCH * few

    few = BATCHES // 10
    values, full = rates(size, append, lambda: sqlite(whole))
    for name, peer in (
        ("SQLite FULL", full),
        ("SQLite FULL of five numbers", rates(size, lambda: sqlite(numbers))[0]),
        ("DuckDB", rates(size, duck)[0]),
        ("Parquet a batch", rates(size, parquet)[0]),
    ):
        target = sorted(full)[len(full) // 2]
        yield Row(
            f"store_append_rows_per_second beside {name}", values, "rows/s", "higher", target, 1.5 * target, name, peer
        )  # fmt: skip


class _Database(Protocol):
    """What SQLite and DuckDB have in common."""

    def execute(self, statement: str, /) -> object:
        """Execute a statement."""
        ...

    def executemany(self, statement: str, rows: Sequence[tuple[object, ...]], /) -> object:
        """Execute it for each row."""
        ...


def _insert(database: _Database, rows: Sequence[tuple[object, ...]], batches: int) -> None:
    """Append the rows again and again, each time in a transaction of its own."""
    types = {str: "TEXT", int: "BIGINT", bytes: "BLOB"}
    columns = ", ".join(f"c{place} {types[type(value)]}" for place, value in enumerate(rows[0]))
    database.execute(f"CREATE TABLE trades ({columns})")
    statement = f"INSERT INTO trades VALUES ({', '.join('?' * len(rows[0]))})"  # noqa: S608 - question marks alone
    for _ in range(batches):
        database.execute("BEGIN")
        database.executemany(statement, rows)
        database.execute("COMMIT")


async def _append(place: Path, batch: list[Frame]) -> int:
    """Write batches, each after the one before is durable; return the rows."""
    durable = asyncio.Event()
    left = 0

    def taken(committed: Committed) -> None:
        nonlocal left
        left -= len(committed.frames)
        if not left:
            durable.set()

    writer = JournalWriter(JournalOptions(place, commit_ms=0, reserve_bytes=0), taken, SystemClock())
    for _ in range(BATCHES):
        durable.clear()
        left = len(batch)
        for frame in batch:
            writer.append(frame)
        await durable.wait()
    await writer.close()
    return BATCH * BATCHES


def _compression(size: Size) -> Iterator[Row]:
    """Compress blocks of the day's frames as the journal does, gzip 6 beside."""
    groups = [list(frames()[n : n + BATCH]) for n in range(0, 5_000, BATCH)]
    raw = sum(len(journal.encode_frames(group)) for group in groups)
    stored = sum(len(journal.encode_block(group, 0, 1)) for group in groups)
    zipped = sum(len(gzip.compress(journal.encode_frames(group), 6)) for group in groups)
    yield Row(
        "frames_compression_ratio", [raw / stored], "x", target=5, peer="gzip 6", peer_values=[raw / zipped]
    )  # fmt: skip
    values, peers = rates(
        size,
        lambda: sum(
            len(journal.encode_frames(group)) for group in groups if journal.encode_block(group, 0, 1)
        ),
        lambda: sum(len(one) for group in groups if gzip.compress(one := journal.encode_frames(group), 6)),
    )
    yield Row(
        "frames_compressed_mb_per_second", [one / 1e6 for one in values], "MB/s",
        peer="gzip 6", peer_values=[one / 1e6 for one in peers],
    )  # fmt: skip
