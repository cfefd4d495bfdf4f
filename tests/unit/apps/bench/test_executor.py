"""Suite ``executor``: rows are measured; shape and honesty, never a timed pass or fail."""

import pytest

from veritape.apps.bench import executor as suite
from veritape.apps.bench.results import Size


def test_the_rows_are_measured_beside_their_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-204, EX-349, EX-901, EX-902, EX-911, EX-913, EX-914, EX-915: every row of step 1, with target, goal, and a peer that says whether it was measured."""
    monkeypatch.setattr(suite, "KERNEL_ITEMS", 200)
    monkeypatch.setattr(suite, "RUNTIME_ITEMS", 20)
    monkeypatch.setattr(suite, "HITS", 3)
    rows = {row.name: row.document() for row in suite.executor(Size(1, 1.0, quick=True))}
    assert list(rows) == [
        "simulator_instructions",
        "simulator_fib10_executions",
        "simulator_fib10_with_digests",
        "runtime_fib10_receipts",
        "runtime_scaling",
        "runtime_scaling by processor time",
        "runtime_parent_per_item",
        "one_worker_all_threads",
        "cache_hit_memory",
        "cache_hit_disk",
        "cache_hit_redis",
        "service_start_warm",
    ]
    assert all(row["value"] > 0 for row in rows.values())
    assert rows["simulator_instructions"]["peer"].startswith("qemu-riscv32")
    assert rows["simulator_instructions"]["peer_value"] > 0
    published = {name for name, row in rows.items() if row["published"]}
    assert published == {"simulator_fib10_executions"}
    targets = {name: (row["target"], row["goal"]) for name, row in rows.items() if row["target"]}
    assert targets == {
        "simulator_instructions": (50e6, 200e6),
        "simulator_fib10_executions": (433_340.0, 2e6),
        "runtime_scaling": (1.7, 1.9),
        "cache_hit_memory": (1.0, 0.2),
        "cache_hit_disk": (40.0, 10.0),
        "cache_hit_redis": (3.0, 1.0),
        "service_start_warm": (1.5, 0.8),
    }


def test_the_inputs_are_distinct() -> None:
    """EX-681: inputs of fib(10) are (10, i, 1), so that claims differ."""
    assert len(set(suite.fib10(100) + suite.fib10(100, 100))) == 200
