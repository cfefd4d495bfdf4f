"""The metrics follow the work."""

from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.aggregation.estimates import estimate
from veritape.executor.aggregation.plans import Factors, Label
from veritape.executor.cache.counters import Layer
from veritape.executor.cache.entries import CacheReason
from veritape.executor.metrics import (
    CACHE_SIZE,
    ERRORS,
    ERRORS_BY_REASON,
    ESTIMATED_GAS_SAVINGS,
    ESTIMATED_TPS,
    GUEST_CYCLES,
    METRICS,
    QUEUE_LENGTH,
    QUEUE_OLDEST_AGE,
    RECEIPTS,
    RECEIPTS_REFUSED,
    WORKER_RESTARTS,
    WORKERS_ACTIVE,
    WORKERS_MAX,
)
from veritape.executor.runtime.outcomes import RuntimeReason
from veritape.telemetry.registry import Registry

SECOND = 1_000_000_000


def test_each_event_sets_its_figure() -> None:
    """EX-594, EX-601, EX-823: receipts, cycles, errors by kind, workers, queue and cache, at the event that they name."""
    registry = Registry(METRICS, strict=True)
    figures = Figures(registry)
    figures.executed(3, 84)
    figures.executed(1, 6)
    assert registry.value(RECEIPTS, kind="simulated") == 4
    assert registry.value(GUEST_CYCLES, kind="simulated") == 90
    estimated = estimate(25, Label.SINGLE, Factors(10, 25, 125))
    assert estimated is not None
    figures.estimated(estimated)
    assert round(registry.value(ESTIMATED_TPS), 1) == 340.1
    assert registry.value(ESTIMATED_GAS_SAVINGS) == 88.0
    figures.failed(RuntimeReason.WORKER_LOST)
    figures.failed(None)
    assert registry.value(ERRORS) == 2
    assert registry.value(ERRORS_BY_REASON, reason="worker") == 1
    assert registry.value(ERRORS_BY_REASON, reason="internal") == 1
    figures.refused("cache", CacheReason.BAD_MAC)
    assert registry.value(RECEIPTS_REFUSED, stage="cache", **{"class": "mac"}) == 1
    figures.workers(4)
    figures.busy(1)
    figures.busy(1)
    figures.busy(-1)
    figures.restarted()
    assert [registry.value(one) for one in (WORKERS_MAX, WORKERS_ACTIVE, WORKER_RESTARTS)] == [4, 1, 1]
    figures.cache_sizes({Layer.MEMORY: 7})
    assert registry.value(CACHE_SIZE, layer="memory") == 7


def test_the_queue_shows_its_length_and_the_oldest_age() -> None:
    """TL-240: jobs accepted and not started; the age of the oldest each second, 0 when none waits."""
    registry = Registry(METRICS, strict=True)
    figures = Figures(registry)
    first, second = figures.queued(0), figures.queued(3 * SECOND)
    figures.tick(5 * SECOND)
    assert (registry.value(QUEUE_LENGTH), registry.value(QUEUE_OLDEST_AGE)) == (2, 5)
    figures.started(first)
    figures.tick(5 * SECOND)
    assert (figures.queue_length(), registry.value(QUEUE_OLDEST_AGE)) == (1, 2)
    figures.started(second)
    figures.tick(9 * SECOND)
    assert (registry.value(QUEUE_LENGTH), registry.value(QUEUE_OLDEST_AGE)) == (0, 0)
