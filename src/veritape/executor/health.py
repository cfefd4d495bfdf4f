"""Whether the executor's service is worth keeping, computed at the call from live signs (EX-593)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from veritape.kernel.clock import NANOSECONDS

LOSS_NS = 60 * NANOSECONDS
"""Time for which a lost worker shows."""

SILENCE_NS = 10 * NANOSECONDS
"""Silence of the workers after which the service is failing."""


class Status(StrEnum):
    """How the service is."""

    HEALTHY = "healthy"
    """Nothing is wrong."""
    DEGRADED = "degraded"
    """It works, with less than it has: a cache layer is left alone, or a worker was lost in the last minute."""
    FAILING = "failing"
    """No worker answers, or the disk refuses writes."""


@dataclass(frozen=True)
class Signs:
    """What is known at the call; times are monotonic nanoseconds, None: never."""

    worker_answered_ns: int | None
    """When a worker last answered."""
    worker_lost_ns: int | None
    """When one was last lost."""
    disk_refused: bool
    """The last write of the cache failed."""
    layer_left_alone: bool
    """A layer's breaker is open."""
    queue: int
    """Jobs that wait."""
    started_ns: int
    """When the service began."""


def status(signs: Signs, now_ns: int) -> tuple[Status, dict[str, Any]]:
    """Return the status and each check's answer."""
    last = signs.started_ns if signs.worker_answered_ns is None else signs.worker_answered_ns
    checks = {
        "workers": now_ns - last < SILENCE_NS,
        "disk": not signs.disk_refused,
        "cache_layers": not signs.layer_left_alone,
        "no_worker_lost": signs.worker_lost_ns is None or now_ns - signs.worker_lost_ns >= LOSS_NS,
    }
    found = Status.HEALTHY if all(checks.values()) else Status.DEGRADED
    if not (checks["workers"] and checks["disk"]):
        found = Status.FAILING
    return found, {**checks, "queue": signs.queue}


def ready(signs: Signs, now_ns: int) -> bool:
    """Tell whether jobs can be taken: a worker, its kernels loaded, has answered lately."""
    return signs.worker_answered_ns is not None and now_ns - signs.worker_answered_ns < SILENCE_NS
