"""A cycle on disk."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from veritape.observer.adapters import sweep_files
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


def test_a_sweep_has_its_columns_and_needs_no_pandas(tmp_path: Path) -> None:
    """OB-210, OB-201: every value under its name; a library that takes a second to import would stop the loop at the first sweep."""
    names = [name for name in sweep_files.SCHEMA.names if name not in {"code", "requested_us", "received_us"}]
    assert list(Quote._fields) == ["code", *names]
    program = (
        "import sys; from pathlib import Path; from veritape.observer.adapters.sweep_files import write_cycle;"
        "from veritape.observer.track_a import Cycle, CycleKind; from veritape.observer.quotes import Quote;"
        "cycle = Cycle(0, CycleKind.GRID, 1, ('990001',)); cycle.quotes['990001'] = (Quote('990001', *range(11))._replace(ask=None), 5, 6);"
        "write_cycle(Path(sys.argv[1]), 'KRX', '20131007', '0900', cycle, '');"
        "sys.exit('pandas' in sys.modules)"
    )
    path = Path(sweep_files.__file__).parents[3]
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=True,
        env={**os.environ, "PYTHONPATH": str(path)},  # noqa: TID251 - inherited
    )
    (row,) = pq.ParquetFile(tmp_path / "sweeps/venue=KRX/day=20131007/0900.parquet").read().to_pylist()
    assert row == {
        "code": "990001",
        "requested_us": 5,
        "received_us": 6,
        **dict(zip(names, range(11), strict=True)),
        "ask": None,
    }
