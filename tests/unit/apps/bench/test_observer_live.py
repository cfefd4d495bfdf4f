"""The live path: what the source sends becomes durable, and the rows say how fast."""

import pytest

from veritape.apps.bench import observer_live
from veritape.apps.bench.observer_live import live
from veritape.apps.bench.results import Size


def test_every_row_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-1031, OB-1032, OB-1033: throughput, then three percentiles at a rate, each beside the bare loop."""
    monkeypatch.setattr(observer_live, "LATENCY_RATES", {500: (20, 8)})
    rows = {row.name: row for row in live(Size(1, 0.3, quick=True))}
    assert list(rows) == [
        "durable_messages_per_second", *(f"socket_to_disk_{name} at 500/s" for name in ("p50", "p99", "p999"))
    ]  # fmt: skip
    assert all(row.values[0] > 0 and row.peer_values[0] > 0 for row in rows.values())
    percentiles = [row.values[0] for row in list(rows.values())[1:]]
    assert percentiles == sorted(percentiles)
    assert [row.target for row in list(rows.values())[1:]] == [None, 20, None]
