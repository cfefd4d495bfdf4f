"""Memory under attack: a worker's, as a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

IS_LONG = bool(os.environ.get("VERITAPE_SOAK"))  # noqa: TID251 - a test's size
COUNT, SHARE = (1_000_000, 1) if IS_LONG else (6_000, 200)
"""Requests of each kind, and by what the bounds are divided."""


def test_a_flood_of_random_keys_addresses_and_paths_leaves_every_bound(tmp_path: Path) -> None:
    """GW-908: keys, unknown accounts, tokens, failing groups and subjects stay at their bounds; below 512 MiB."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.flood", str(tmp_path), str(COUNT), str(SHARE)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    left = json.loads(done.stdout)
    assert left["rss_mib"] <= 512
    assert left["keys"] == 10_000 // SHARE
    assert left["accounts"] == min(10_000 // SHARE, COUNT // 10)
    assert left["tokens"] == min(100_000 // SHARE, COUNT // 10)
    assert left["groups"] == 100_000 // SHARE
    assert left["subjects"] == 250_000 // SHARE
    assert left["months"] == 0
