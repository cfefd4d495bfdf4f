"""Sweeps on disk: one Parquet file and one manifest a cycle (OB-208, OB-210)."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from veritape.kernel.canonical import canonical_json
from veritape.kernel.files import write_atomically
from veritape.observer.adapters.segment_files import texts
from veritape.observer.track_a import Cycle, CycleKind

SCHEMA = pa.schema(
    [
        ("code", pa.string()),
        ("requested_us", pa.int64()),
        ("received_us", pa.int64()),
        *((name, pa.int64()) for name in (
            "price", "open", "high", "low", "ask", "bid", "ask_shares", "bid_shares", "chain_shares", "chain_value",
            "reference_price",
        )),
    ]
)  # fmt: skip
"""Columns of a sweep."""


def write_cycle(
    data: Path, venue: str, day: str, clock_text: str, cycle: Cycle, universe_blake3: str
) -> dict[str, Any]:
    """Write a cycle's rows and then its manifest; return the manifest.

    Args:
        data: data directory.
        venue: whose quotes.
        day: YYYYMMDD.
        clock_text: HHMM of the grid.
        cycle: finished.
        universe_blake3: hash of the day's universe document.
    """
    folder = data / "sweeps" / f"venue={venue}" / f"day={day}"
    stem = clock_text if cycle.kind is CycleKind.GRID else f"{clock_text}.{cycle.kind.value}-{cycle.number}"
    codes = sorted(cycle.quotes)
    rows = [
        (requested, received, *quote[1:])
        for quote, requested, received in (cycle.quotes[code] for code in codes)
    ]
    values = zip(*rows, strict=True) if rows else [()] * (len(SCHEMA) - 1)
    columns = [texts(codes), *map(_integers, values)]
    target = io.BytesIO()
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    pq.write_table(table, target, compression="zstd", store_schema=False)
    file_bytes = target.getvalue()
    manifest = cycle.manifest(universe_blake3, blake3(file_bytes).hexdigest())
    write_atomically(folder / f"{stem}.parquet", file_bytes)
    write_atomically(folder / f"{stem}.json", canonical_json(manifest))
    return manifest


def _integers(values: Sequence[int | None]) -> pa.Array:
    """Return a column of integers with gaps (a single quote has no ask and bid), without pandas as ``numbers``."""
    known = np.array([value is not None for value in values], bool)
    content = np.array([value or 0 for value in values], np.int64)
    buffers = [pa.py_buffer(np.packbits(known, bitorder="little")), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.int64(), len(content), buffers)
