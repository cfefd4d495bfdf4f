"""A cycle on disk."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from veritape.observer.adapters.sweep_files import write_cycle
from veritape.observer.quotes import Quote
from veritape.observer.track_a import Cycle, CycleKind, MissingReason


def test_rows_and_manifest_lie_beside_each_other(tmp_path: Path) -> None:
    """OB-208, OB-210: expected = received + missing; the anchor sweeps have names of their own."""
    cycle = Cycle(1, CycleKind.GRID, 5, ("990001", "990002"))
    cycle.received(["990001"], {"990001": Quote("990001", *range(11))}, set(), (7, 8))
    cycle.lost(["990002"], MissingReason.NO_ANSWER)
    manifest = write_cycle(tmp_path, "KRX", "20131007", "0910", cycle, "u")
    folder = tmp_path / "sweeps" / "venue=KRX" / "day=20131007"
    assert json.loads((folder / "0910.json").read_bytes()) == manifest
    (row,) = pq.read_table(folder / "0910.parquet", partitioning=None).to_pylist()
    assert (row["code"], row["requested_us"], row["received_us"], row["chain_shares"]) == ("990001", 7, 8, 8)
    write_cycle(tmp_path, "KRX", "20131007", "1533", Cycle(2, CycleKind.ANCHOR, 5, ()), "u")
    assert (folder / "1533.anchor-2.json").exists()
