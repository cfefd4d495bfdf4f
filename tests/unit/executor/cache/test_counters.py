"""Counts of the cache."""

import math

from veritape.executor.cache.counters import CacheCounters, Layer
from veritape.executor.cache.memory import Eviction


def test_the_rate_is_unknown_before_the_first_look_up() -> None:
    """EX-411: NaN, never 0, before the first; joined flights are neither hit nor miss."""
    counters = CacheCounters(shared=5)
    assert math.isnan(counters.hit_rate)
    assert counters.shown()["hit_rate_percent"] is None
    counters.hits[Layer.MEMORY] += 90
    counters.hits[Layer.DISK] += 9
    counters.misses += 1
    counters.evictions[Layer.DISK, Eviction.TTL] += 2
    assert counters.hit_rate == 99.0
    assert counters.shown() == {
        "hits": {"memory": 90, "disk": 9, "redis": 0},
        "misses": 1,
        "shared": 5,
        "rejected": 0,
        "evictions": {"disk.ttl": 2},
        "unavailable": 0,
        "hit_rate_percent": 99.0,
    }
