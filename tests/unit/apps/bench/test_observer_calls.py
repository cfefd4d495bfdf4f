"""Calls: a sweep under permits, a pool, group commit."""

import pytest

from veritape.apps.bench import observer_calls
from veritape.apps.bench.observer_calls import calls
from veritape.apps.bench.results import Size
from veritape.kernel.clock import NANOSECONDS


def test_every_row_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-1034, OB-1043, OB-941: a small sweep; no second holds more calls than permits."""
    for name, value in (("SYMBOLS", 90), ("TOGETHER", 2_000), ("ALONE", 10)):
        monkeypatch.setattr(observer_calls, name, value)
    rows = {row.name: row for row in calls(Size(1))}
    assert list(rows) == [
        "sweep_2000_symbols", "permits_windows_above_n", "permits_used_by_a_sweep", "bounded_pool_seconds",
        "frames_per_fdatasync", "group_commit_speedup",
    ]  # fmt: skip
    assert rows["permits_windows_above_n"].values == [0]
    assert rows["bounded_pool_seconds"].values[0] >= 0.1
    assert rows["frames_per_fdatasync"].values[0] > 1


def test_a_second_with_too_many_is_counted() -> None:
    """OB-252: half-open seconds that end at an arrival."""
    at = [0, 1, 2, NANOSECONDS, NANOSECONDS + 1]
    assert observer_calls._windows_over(at, 2) == 3
    assert observer_calls._windows_over(at, 3) == 0
