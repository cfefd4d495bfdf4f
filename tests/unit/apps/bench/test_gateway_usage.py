"""Rows of usage in a small size."""

from pathlib import Path

import pytest

from veritape.apps.bench import gateway_usage as module
from veritape.apps.bench import postgres_server
from veritape.apps.bench.gateway_usage import usage
from veritape.apps.bench.results import Size


def test_rows_of_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-662, GW-685: the rows of the specification, each measured in every run, the bare loop beside."""
    monkeypatch.setattr(module, "TICKS", 20)
    monkeypatch.setattr(module, "LEDGER_EVENTS", 400)
    rows = [row.document() for row in usage(Size(runs=2))]
    assert [(row["name"], row["unit"], row["target"], row["goal"], row["runs"]) for row in rows] == [
        ("outbox_commit_p99", "ms", 5.0, 2.0, 2),
        ("ledger_events_per_second_sqlite", "1/s", 20_000.0, 100_000.0, 2),
        ("ledger_events_per_second_postgresql", "1/s", 50_000.0, 150_000.0, 2),
    ]
    assert rows[0]["peer"] == "bare fdatasync loop"
    assert all(row["value"] > 0 for row in rows)
    assert rows[0]["ratio"] > 0


def test_without_postgresql_the_other_rows_stand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Issue 6: a missing server is one line."""
    monkeypatch.setattr(module, "TICKS", 20)
    monkeypatch.setattr(module, "LEDGER_EVENTS", 400)
    monkeypatch.setattr(postgres_server, "INSTALLED", tmp_path)
    assert [row.name for row in usage(Size(runs=1))][-1] == "ledger_events_per_second_sqlite"
    assert "ledger_events_per_second_postgresql is not measured: no PostgreSQL" in capsys.readouterr().err
