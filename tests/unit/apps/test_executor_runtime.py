"""The runtime that settings describe."""

import math
from pathlib import Path

import pytest
from tests.noted import Noted
from tests.receipt_caches import ECHO

from veritape.apps.executor_runtime import TUNING, effective, executor_settings, make_runtime, usual_parallel
from veritape.executor.adapters.workers.machine import cores
from veritape.executor.aggregation.decider import AggregationDecider
from veritape.executor.aggregation.plans import Context
from veritape.executor.log_events import LogEvent
from veritape.executor.metrics import (
    ESTIMATED_GAS_SAVINGS,
    ESTIMATED_TPS,
    METRICS,
    RECEIPTS_REFUSED,
    WORKERS_MAX,
)
from veritape.executor.runtime.outcomes import Executed
from veritape.executor.runtime.presets import Parallel
from veritape.executor.settings import CacheSettings, ExecutorSettings
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import MisuseError
from veritape.telemetry.registry import Registry


def test_settings_come_from_file_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-661: the environment wins; a file that cannot be read is named."""
    config = tmp_path / "executor.toml"
    config.write_text("[executor]\nworkers = 3\n")
    assert executor_settings(config).workers == 3
    monkeypatch.setenv("VERITAPE_L2_EXECUTOR__WORKERS", "1")
    assert executor_settings(config).workers == 1
    assert usual_parallel(executor_settings(None)).workers == 1
    with pytest.raises(MisuseError, match=r"--config .*: No such file"):
        executor_settings(tmp_path / "none.toml")


def test_a_runtime_keeps_receipts_in_the_folder_and_counts_refusals(tmp_path: Path) -> None:
    """EX-342, EX-408: collaborators come from the settings; a poisoned entry is counted as refused by the cache."""
    config = tmp_path / "executor.toml"
    config.write_text(f'[executor]\npool = "thread"\n[executor.cache]\ndisk_path = "{tmp_path / "cache"}"\n')
    settings, registry, said = executor_settings(config), Registry(METRICS, strict=True), Noted()
    with make_runtime(settings, registry) as runtime:
        assert isinstance(runtime.run(ECHO, b"abcd"), Executed)
    assert registry.value(WORKERS_MAX) == min(8, cores())
    (path,) = (tmp_path / "cache").glob("*.entry")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with make_runtime(settings, registry, note=said) as runtime:
        outcome = runtime.run(ECHO, b"abcd")
    assert isinstance(outcome, Executed)
    assert not outcome.cached
    assert registry.value(RECEIPTS_REFUSED, stage="cache", **{"class": "format"}) == 1
    problem = "bad_entry: the entry is dropped and made anew"
    assert said.of(LogEvent.ENTRY_REFUSED) == [{"layer": "disk", "reason": "bad_entry", "problem": problem}]


def test_only_a_batch_that_is_known_may_begin_in_this_process(tmp_path: Path) -> None:
    """EX-349: services keep their workers; so does who wants threads."""
    cache = CacheSettings(disk_path=str(tmp_path))
    for pool, items, begins in (("process", 3, True), ("process", 0, False), ("thread", 3, False)):
        with make_runtime(ExecutorSettings(pool=pool, cache=cache), items=items) as runtime:
            assert runtime.pool.begins_here is begins


def test_each_batch_is_decided_about_and_the_decision_replays(tmp_path: Path) -> None:
    """EX-450, EX-605, EX-823: the decider's estimates are shown as such; the log's inputs give the same choice again."""
    config = tmp_path / "executor.toml"
    config.write_text(f'[executor]\npool = "thread"\n[executor.cache]\ndisk_path = "{tmp_path / "cache"}"\n')
    settings, registry, said = executor_settings(config), Registry(METRICS, strict=True), Noted()
    with make_runtime(settings, registry, note=said) as runtime:
        assert math.isnan(registry.value(ESTIMATED_TPS))
        runtime.run_batch(ECHO, [])
        assert said.of(LogEvent.AGGREGATION_DECIDED) == []
        runtime.run_batch(ECHO, [number.to_bytes(4, "little") for number in range(25)])
    (logged,) = said.of(LogEvent.AGGREGATION_DECIDED)
    assert (logged["count"], logged["label"], logged["mode"]) == (25, "single", "thresholds")
    assert round(registry.value(ESTIMATED_TPS), 1) == 340.1
    assert registry.value(ESTIMATED_GAS_SAVINGS) == 88.0
    again = AggregationDecider(settings.decider()).decide(logged["count"], Context(**logged["context"]))
    assert {**again.logged(), "context": logged["context"]} == logged


def test_what_the_settings_leave_open_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EX-349: the first use measures both ways, keeps the faster with machine id and version, and says so; the next reads it."""
    monkeypatch.setattr("veritape.apps.executor_runtime.cores", lambda: 2)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    timed: list[Parallel] = []

    def seconds(chosen: Parallel) -> float:
        timed.append(chosen)
        return 1.0 / chosen.threads

    monkeypatch.setattr("veritape.apps.executor_runtime.tuning_timer", lambda _: seconds)
    said, auto = Noted(), executor_settings(None)
    assert effective(auto, said, ManualClock(), 999) == Parallel(2, 1)
    assert timed == []
    assert [effective(auto, said, ManualClock(), items) for items in (1000, 0)] == [Parallel(1, 2)] * 2
    assert timed == [Parallel(1, 2), Parallel(2, 1)]
    assert (tmp_path / TUNING).exists()
    figures = {"workers": 1, "threads": 2, "one_worker_s": 0.5, "all_workers_s": 1.0}
    assert said.of(LogEvent.PARALLEL_CHOSEN) == [{**figures, "measured_now": now} for now in (True, False)]
    monkeypatch.setattr("veritape.apps.executor_runtime.tuned", lambda *_: None)
    assert effective(auto, said, ManualClock()) == Parallel(2, 1)
    for fixed in (auto.model_copy(update={"workers": 2}), auto.model_copy(update={"pool": "thread"})):
        assert effective(fixed, said, ManualClock()) == Parallel(2, 1)
    assert len(timed) == 2


def test_redis_is_part_of_the_cache_when_it_is_named(tmp_path: Path) -> None:
    """EX-410: a Redis that is not there is counted and costs nothing else."""
    (tmp_path / "secret").write_bytes(b"s" * 32)
    config = tmp_path / "executor.toml"
    config.write_text(
        f'[executor]\npool = "thread"\n[executor.cache]\nredis_url = "redis://127.0.0.1:1"\n'
        f'secret_file = "{tmp_path / "secret"}"\ndisk_path = "{tmp_path / "cache"}"\n'
    )
    with make_runtime(executor_settings(config)) as runtime:
        assert isinstance(runtime.run(ECHO, b"abcd"), Executed)
        assert runtime.cache.counters.unavailable > 0
