"""The integration and stress runs at a fiftieth of their size; their arithmetic at full size."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.compiled import SIMULATOR

from veritape.apps.bench import executor_scenarios as scenarios
from veritape.apps.bench.executor_scenarios import (
    Scenarios,
    Seen,
    fresh_process,
    run_scenario,
    scenario_text,
    shown,
)
from veritape.executor.adapters.guest_files import guest_image
from veritape.kernel.errors import CheckFailedError

SOAK = os.environ.get("VERITAPE_SOAK") == "1"  # noqa: TID251 - chooses the size of these tests
UNIT, POOL = (1.0, "process") if SOAK else (0.02, "thread")
"""The stress run's size, and its workers."""

INTEGRATION_UNIT = 1.0 if SOAK else 0.1
"""The integration run's size."""


def in_this_process(_: Path, __: str, inputs: Sequence[bytes]) -> list[Seen]:
    receipts = [SIMULATOR.run(guest_image("fibonacci"), data) for data in inputs]
    return [(one.claim.exit_code, one.claim.cycles, one.journal.hex()) for one in receipts]


def test_the_integration_run_has_its_five_scenarios() -> None:
    """EX-681, EX-684, EX-825: every row is labelled executed and checked by a fresh process; the cache hits as it must."""
    document = run_scenario("integration", INTEGRATION_UNIT, POOL)
    assert [row["name"] for row in document["rows"]] == ["small", "medium", "large", "cache", "parallel"]
    assert {row["label"] for row in document["rows"]} == {"executed"}
    assert all(row["verified"] > 0 for row in document["rows"])
    cache = document["rows"][3]
    rate = 99.0 if SOAK else 90.0
    assert (cache["executions"], cache["hit_rate_percent"]) == (1, rate)
    assert document["kind"] == "simulated"
    expected = (True, None) if SOAK else (False, "cache: hit rate 90.0 %, not 99.0 %")
    assert (document["ok"], document["reason"]) == expected
    assert "executed, not proven" in scenario_text(document)
    assert not any("proof" in name for row in document["rows"] for name in row)


def test_the_stress_run_has_its_five_scenarios() -> None:
    """EX-681, EX-683, EX-825: throughput, sustained, burst, cache with 80 % hits, large aggregation; nobody is refused."""
    document = run_scenario("stress", UNIT, POOL, in_this_process)
    rows = {row["name"]: row for row in document["rows"]}
    assert list(rows) == ["throughput", "sustained", "burst", "cache", "large_aggregation"]
    assert (rows["cache"]["hit_rate_percent"], rows["cache"]["rejected"], rows["burst"]["refusals"]) == (
        80.0,
        0,
        0,
    )
    assert rows["burst"]["longest_queue"] <= 1000
    assert rows["sustained"]["p50_s"] <= rows["sustained"]["p99_s"]
    assert all(row["verified"] > 0 for row in rows.values())
    assert "pass" in scenario_text(document) or "memory" in document["reason"]


def test_a_figure_has_its_unit_and_words() -> None:
    """EX-681: what a person reads names what it is, in units and with separated thousands."""
    figures = {
        "requests": (1000, "requests 1,000"),
        "seconds": (2.6339, "seconds 2.6339"),
        "seconds_one_worker": (0.0186, "seconds one worker 0.0186"),
        "requests_per_second": (1952.9, "requests per second 1,952.9"),
        "bytes": (292_000, "bytes 292,000"),
        "peak_memory_bytes": (149_729_280, "peak memory 149.7 MB"),
        "hit_rate_percent": (99.0, "hit rate 99.0 %"),
        "p99_s": (1.7087, "p99 1.7087 s"),
        "memory_flat": (True, "memory flat yes"),
        "decision": ("single", "decision single"),
    }
    for name, (value, said) in figures.items():
        assert shown(name, value) == said


def test_the_totals_are_those_of_the_specification() -> None:
    """EX-682, EX-683: 260 claims listed and 460 executions requested; 21,000 requests in the stress run."""
    made = scenarios
    assert sum(made.SIZES.values()) == 260
    assert 260 + made.REPEATED + made.PARALLEL_JOBS * made.PARALLEL_ITEMS == 460
    assert (
        made.THROUGHPUT + made.BATCHES * made.BATCH + made.BURST + made.REQUESTS + made.AGGREGATED == 21_000
    )
    assert 100 * (1 - made.DISTINCT / made.REQUESTS) == 80.0


@pytest.mark.parametrize(
    ("row", "problems"),
    [
        ({"name": "cache", "hit_rate_percent": 80.0}, []),
        ({"name": "cache", "hit_rate_percent": 79.99}, ["cache: hit rate 79.99 %, not 80.0 %"]),
        ({"name": "sustained", "memory_flat": False}, ["sustained: memory grew over 10 %"]),
        ({"name": "burst"}, []),
    ],
)
def test_a_run_fails_by_its_hit_rate_or_memory(row: dict[str, Any], problems: list[str]) -> None:
    """EX-684: pass or fail against the targets, exit 1; no other ratings."""
    assert scenarios._problems("stress", row) == problems


def test_another_claim_would_be_noticed(tmp_path: Path) -> None:
    """EX-681: the comparison bites: a fresh process that gives something else, or ends with an error, fails the run."""
    made = Scenarios(tmp_path, lambda *_: [(0, 1, "")], 0.01, "thread")
    with pytest.raises(CheckFailedError, match="gives other claims"):
        made._batch("small", 2, first=0)
    with pytest.raises(CheckFailedError, match="executing again failed"):
        fresh_process(tmp_path, "short", [b"short"])
