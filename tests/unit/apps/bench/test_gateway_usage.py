"""Rows of usage in a small size."""

import pytest

from veritape.apps.bench import gateway_usage as module
from veritape.apps.bench.gateway_usage import usage
from veritape.apps.bench.results import Size


def test_rows_of_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-662: the rows of the specification, each measured in every run, the bare loop beside."""
    monkeypatch.setattr(module, "TICKS", 20)
    monkeypatch.setattr(module, "LEDGER_EVENTS", 400)
    rows = [row.document() for row in usage(Size(runs=2))]
    assert [(row["name"], row["unit"], row["target"], row["goal"], row["runs"]) for row in rows] == [
        ("outbox_commit_p99", "ms", 5.0, 2.0, 2),
        ("ledger_events_per_second_sqlite", "1/s", 20_000.0, 100_000.0, 2),
    ]
    assert rows[0]["peer"] == "bare fdatasync loop"
    assert all(row["value"] > 0 for row in rows)
    assert rows[0]["ratio"] > 0
