"""What the cache counts of itself (EX-411)."""

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from veritape.executor.cache.memory import Eviction


class Layer(StrEnum):
    """Where an entry lies."""

    MEMORY = "memory"
    """In this process."""
    DISK = "disk"
    """In files of this machine."""
    REDIS = "redis"
    """In a store that several machines share."""


@dataclass
class CacheCounters:
    """Counts since the start of the process; one lock of the cache guards them."""

    hits: Counter[Layer] = field(default_factory=Counter)
    """Found, by layer."""
    misses: int = 0
    """Found in no layer."""
    shared: int = 0
    """Joined a job that was running for the same key: neither hit nor miss."""
    rejected: int = 0
    """Entries refused and deleted."""
    evictions: Counter[tuple[Layer, Eviction]] = field(default_factory=Counter)
    """Let go, by layer and cause."""
    unavailable: int = 0
    """Operations of a layer that failed or took too long."""

    @property
    def hit_rate(self) -> float:
        """Return hits per hundred lookups; NaN before the first."""
        found = sum(self.hits.values())
        return 100 * found / (found + self.misses) if found + self.misses else math.nan

    def shown(self) -> dict[str, Any]:
        """Return the counts as plain values; a rate that is not known is None."""
        rate = self.hit_rate
        return {
            "hits": {str(layer): self.hits[layer] for layer in Layer},
            "misses": self.misses,
            "shared": self.shared,
            "rejected": self.rejected,
            "evictions": {
                f"{layer}.{cause}": count for (layer, cause), count in sorted(self.evictions.items())
            },
            "unavailable": self.unavailable,
            "hit_rate_percent": None if math.isnan(rate) else round(rate, 2),
        }
