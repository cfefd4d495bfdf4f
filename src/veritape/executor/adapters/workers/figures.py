"""Sets the runtime's metrics; one lock, because jobs end in several threads (EX-594, 605)."""

import threading
from enum import StrEnum

from veritape.executor.aggregation.estimates import Estimate
from veritape.executor.cache.counters import Layer
from veritape.executor.metrics import (
    CACHE_SIZE,
    ERRORS,
    ERRORS_BY_REASON,
    ESTIMATED_GAS_SAVINGS,
    ESTIMATED_TPS,
    GUEST_CYCLES,
    QUEUE_LENGTH,
    QUEUE_OLDEST_AGE,
    RECEIPTS,
    RECEIPTS_REFUSED,
    SIMULATED,
    WORKER_RESTARTS,
    WORKERS_ACTIVE,
    WORKERS_MAX,
)
from veritape.executor.reasons import error_class, refusal_class
from veritape.kernel.clock import NANOSECONDS
from veritape.telemetry.registry import Registry


class Figures:
    """The live path's way to the registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._waiting: dict[int, int] = {}
        self._next = 0

    def executed(self, receipts: int, cycles: int) -> None:
        """Count guests that halted: the receipts that are returned and their cycles."""
        with self._lock:
            self._registry.add(GUEST_CYCLES, cycles, kind=SIMULATED)
            self._registry.add(RECEIPTS, receipts, kind=SIMULATED)

    def estimated(self, estimate: Estimate) -> None:
        """Show what the decider estimates for a batch."""
        with self._lock:
            self._registry.set(ESTIMATED_TPS, estimate.estimate_tps)
            self._registry.set(ESTIMATED_GAS_SAVINGS, estimate.estimate_gas_saved_percent)

    def failed(self, reason: StrEnum | None) -> None:
        """Count an item, job or request that ended with an error."""
        with self._lock:
            self._registry.add(ERRORS)
            self._registry.add(ERRORS_BY_REASON, reason=error_class(reason))

    def refused(self, stage: str, reason: StrEnum | None) -> None:
        """Count a receipt that was refused."""
        with self._lock:
            self._registry.add(RECEIPTS_REFUSED, stage=stage, **{"class": refusal_class(reason)})

    def workers(self, count: int) -> None:
        """Show how many workers there are: a pool started or was resized."""
        with self._lock:
            self._registry.set(WORKERS_MAX, count)

    def busy(self, change: int) -> None:
        """Count a worker that took or ended a job."""
        with self._lock:
            active = self._registry.value(WORKERS_ACTIVE)
            self._registry.set(WORKERS_ACTIVE, active + change)

    def busy_workers(self) -> int:
        """Return the workers that run a job."""
        with self._lock:
            return int(self._registry.value(WORKERS_ACTIVE))

    def restarted(self) -> None:
        """Count a worker that died and was replaced."""
        with self._lock:
            self._registry.add(WORKER_RESTARTS)

    def queued(self, now_ns: int) -> int:
        """Count a job that was accepted and has not started; returns its ticket."""
        with self._lock:
            self._next += 1
            self._waiting[self._next] = now_ns
            self._registry.set(QUEUE_LENGTH, len(self._waiting))
            return self._next

    def started(self, ticket: int) -> None:
        """Count that a job left the queue."""
        with self._lock:
            self._waiting.pop(ticket, None)
            self._registry.set(QUEUE_LENGTH, len(self._waiting))

    def queue_length(self) -> int:
        """Return the jobs that wait."""
        with self._lock:
            return len(self._waiting)

    def tick(self, now_ns: int) -> None:
        """Show the age of the oldest job that waits; each second."""
        with self._lock:
            oldest = min(self._waiting.values(), default=now_ns)
            self._registry.set(QUEUE_OLDEST_AGE, (now_ns - oldest) / NANOSECONDS)

    def cache_sizes(self, sizes: dict[Layer, int]) -> None:
        """Show the bytes of the cache's layers."""
        with self._lock:
            for layer, size in sizes.items():
                self._registry.set(CACHE_SIZE, size, layer=str(layer))
