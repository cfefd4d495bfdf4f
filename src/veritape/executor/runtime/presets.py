"""The presets, and what a machine makes of them (EX-349, 356, 357).

The source's expected rates, dollar costs and latencies are not here: they divide by the time of one verification and ignore
proving.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veritape.executor.aggregation.plans import Factors

MIB, GIB = 1 << 20, 1 << 30
"""Bytes."""

MEMORY_SHARE = 0.7
"""Part of the memory that jobs may take together."""


class PresetName(StrEnum):
    """Names of the presets."""

    SMALL = "small"
    """One small machine."""
    MEDIUM = "medium"
    """One large machine."""
    LARGE = "large"
    """Several machines."""


@dataclass(frozen=True)
class Preset:
    """Sizes that belong together; single settings override them."""

    workers: int
    """Most workers; the machine's cores bound them too."""
    cache_entries: int
    """Receipts in memory."""
    cache_memory_bytes: int
    """Bytes in memory."""
    cache_disk_bytes: int
    """Bytes on disk."""
    min_proofs: int
    """Fewer claims than this stay alone."""
    factors: Factors
    """Of the source's estimates."""
    settlement_claims: int
    """Claims of a settlement batch."""
    settlement_interval_s: int
    """Seconds between settlements."""


PRESETS: Final = {
    PresetName.SMALL: Preset(8, 10_000, 256 * MIB, 8 * GIB, 6, Factors(10, 25, 125), 10, 60),
    PresetName.MEDIUM: Preset(32, 100_000, GIB, 64 * GIB, 10, Factors(10, 100, 1000), 100, 120),
    PresetName.LARGE: Preset(128, 1_000_000, 4 * GIB, 512 * GIB, 20, Factors(10, 100, 1000), 1000, 180),
}
"""Preset by name."""


@dataclass(frozen=True)
class Parallel:
    """How jobs run side by side."""

    workers: int
    """Processes."""
    threads: int
    """Threads of each."""


def parallel(preset: Preset, cores: int, workers: int | None = None, threads: int | None = None) -> Parallel:
    """Return workers and threads whose product is at most the cores; what is set is kept as far as that allows."""
    chosen = min(workers or preset.workers, max(1, cores // (threads or 1)))
    return Parallel(
        max(1, chosen), threads if threads and threads * chosen <= cores else max(1, cores // chosen)
    )


def cores_available(affinity: int, quota_us: int | None, period_us: int) -> int:
    """Return the cores that this process may use: those of its affinity, and what its cgroup's quota pays for."""
    if quota_us is None:
        return max(1, affinity)
    return max(1, min(affinity, quota_us // period_us))
