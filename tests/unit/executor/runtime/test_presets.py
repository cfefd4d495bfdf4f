"""Presets and what a machine makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.runtime.presets import (
    GIB,
    MIB,
    PRESETS,
    Parallel,
    PresetName,
    cores_available,
    parallel,
)


def test_the_presets_are_those_of_the_table() -> None:
    """EX-356: workers, cache, thresholds, factors and settlement of small, medium and large."""
    rows = {
        name: (p.workers, p.cache_entries, p.cache_memory_bytes, p.cache_disk_bytes, p.min_proofs,
               (p.factors.single, p.factors.two_level, p.factors.three_level), p.settlement_claims, p.settlement_interval_s)
        for name, p in PRESETS.items()
    }  # fmt: skip
    assert rows == {
        PresetName.SMALL: (8, 10_000, 256 * MIB, 8 * GIB, 6, (10, 25, 125), 10, 60),
        PresetName.MEDIUM: (32, 100_000, GIB, 64 * GIB, 10, (10, 100, 1000), 100, 120),
        PresetName.LARGE: (128, 1_000_000, 4 * GIB, 512 * GIB, 20, (10, 100, 1000), 1000, 180),
    }


def test_a_preset_promises_no_rate_and_no_money() -> None:
    """EX-357: no expected rates, costs or latencies among its fields."""
    names = " ".join(vars(PRESETS[PresetName.SMALL]))
    assert not any(word in names for word in ("tps", "rate", "cost", "usd", "latency"))


@given(st.sampled_from(list(PRESETS)), st.integers(1, 256), st.integers(0, 300), st.integers(0, 300))
def test_workers_times_threads_fit_the_cores(
    name: PresetName, cores: int, workers: int, threads: int
) -> None:
    """EX-349: the product never exceeds the cores available, whatever is asked for."""
    chosen = parallel(PRESETS[name], cores, workers or None, threads or None)
    assert 1 <= chosen.workers * chosen.threads <= cores


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((2,), Parallel(2, 1)),
        ((64,), Parallel(8, 8)),
        ((4, 1), Parallel(1, 4)),
        ((4, None, 2), Parallel(2, 2)),
        ((4, 100), Parallel(4, 1)),
    ],
)
def test_what_is_set_is_kept(arguments: tuple[int, ...], expected: Parallel) -> None:
    """EX-349: a preset's workers are an upper cap; one worker gets all threads."""
    assert parallel(PRESETS[PresetName.SMALL], *arguments) == expected


def test_the_quota_of_a_cgroup_counts() -> None:
    """EX-349: affinity and quota bound the cores; there is always one."""
    assert cores_available(8, None, 100_000) == 8
    assert cores_available(8, 250_000, 100_000) == 2
    assert cores_available(1, 10_000, 100_000) == 1
