"""Parser and ledger: their rows, with the clients where their environments are."""

import pytest

from veritape.apps.bench import observer_parts
from veritape.apps.bench.observer_parts import parts
from veritape.apps.bench.results import Size


def test_every_row_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-1039, OB-1044: parser, ledger, and the parser beside each public client's own, in its own environment."""
    monkeypatch.setattr(observer_parts, "CLIENT_FRAMES", 200)
    rows = {row.name: row for row in parts(Size(1))}
    assert list(rows) == [
        "kis_records_parsed_per_second",
        "ledger_updates_per_second",
        "frames_parsed_into_trades_per_second beside python-kis",
        "frames_read_in_groups_per_second beside python-kis",
        "frames_parsed_into_trades_per_second beside mojito2",
        "frames_read_in_groups_per_second beside mojito2",
    ]
    assert all(row.values[0] > 0 for row in rows.values())
    for client in ("python-kis", "mojito2"):
        row = rows[f"frames_parsed_into_trades_per_second beside {client}"]
        assert bool(row.peer_values) == (observer_parts.CLIENTS / client).exists()
        assert (row.target is None) == (not any(one.peer_values for one in list(rows.values())[2:]))
