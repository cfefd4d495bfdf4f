"""Sweeps on disk: one Parquet file and one manifest a cycle (OB-208, OB-210)."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from veritape.kernel.canonical import canonical_json
from veritape.kernel.files import write_atomically
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
    rows = [
        {"requested_us": requested, "received_us": received, **quote._asdict()}
        for quote, requested, received in (cycle.quotes[code] for code in sorted(cycle.quotes))
    ]
    target = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), target, compression="zstd", store_schema=False)
    file_bytes = target.getvalue()
    manifest = cycle.manifest(universe_blake3, blake3(file_bytes).hexdigest())
    write_atomically(folder / f"{stem}.parquet", file_bytes)
    write_atomically(folder / f"{stem}.json", canonical_json(manifest))
    return manifest
