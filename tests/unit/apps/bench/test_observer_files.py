"""Files: every row of compaction, size, audit, recovery, stores and compression."""

import pytest

from veritape.apps.bench import observer_files, observer_tape
from veritape.apps.bench.observer_files import files
from veritape.apps.bench.results import QUICK


def test_every_row_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-563, OB-1035, OB-1036, OB-1037, OB-1038, OB-1040, OB-1043, OB-941, OB-513: on a short tape, each beside its peer."""
    few = observer_tape.frames()[:5_000]
    for module in (observer_tape, observer_files):
        monkeypatch.setattr(module, "frames", lambda: few)
    monkeypatch.setattr(observer_files, "BATCHES", 10)
    rows = {row.name: row for row in files(QUICK._replace(runs=1))}
    assert list(rows) == [
        "compaction_ticks_per_second", "bytes_per_tick beside zstd", "bytes_per_tick beside snappy",
        "audit_seconds_per_million_ticks", "one_codes_day_from_sealed_files", "minute_bars_of_all_codes",
        "recovery_seconds_per_gb", "journal_scan_gb_per_second",
        "store_append_rows_per_second beside SQLite FULL",
        "store_append_rows_per_second beside SQLite FULL of five numbers",
        "store_append_rows_per_second beside DuckDB", "store_append_rows_per_second beside Parquet a batch", "frames_compression_ratio",
        "frames_compressed_mb_per_second",
    ]  # fmt: skip
    assert all(min(row.values + row.peer_values) > 0 and row.peer_values for row in rows.values())
    assert rows["bytes_per_tick beside zstd"].values[0] <= 10
    assert rows["frames_compression_ratio"].values[0] >= 5
