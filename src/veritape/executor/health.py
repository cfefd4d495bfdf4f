"""Whether the executor's service is worth keeping (EX-593), and whether it can take jobs now (TL-710): from live signs, at the call."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

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


class ReadyReason(StrEnum):
    """Why a check of ``/ready`` fails."""

    NOT_STARTED = "not_started"
    """No worker has answered since the start: kernels are compiled or loaded, on a new machine for some ten seconds."""
    WORKER_LOST = "worker_lost"
    """The last worker that was asked died, or none could be started: the detail tells what was met."""
    BUSY = "busy"
    """No worker has answered lately, and all run jobs: they are long ones."""
    STALE = "stale"
    """No worker has answered lately, although some have nothing to do: they hang."""
    QUEUE_FULL = "queue_full"
    """As many jobs wait as may: one more is refused."""
    DISK_REFUSED = "disk_refused"
    """The last write of the cache failed: receipts cannot be kept."""
    LAYER_LEFT_ALONE = "layer_left_alone"
    """Redis failed too often and is not asked for some seconds; the other layers work."""


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
    queue_limit: int
    """Jobs that may wait."""
    idle_workers: int
    """Workers that run no job; below 0 where several batches share them."""
    lost_because: str
    """What the last question to a worker met in place of an answer; empty: it was answered."""


class Check(NamedTuple):
    """One check of ``/ready``."""

    name: str
    """As in the table of TL-720."""
    required: bool
    """Without it the service is not ready."""
    age_seconds: float
    """Since what it looks at was last seen."""
    reason: ReadyReason | None = None
    """Why it fails; None: it passes."""
    detail: str = ""
    """What was met, for a person."""


def status(signs: Signs, now_ns: int) -> tuple[Status, dict[str, Any]]:
    """Return the status and each check's answer."""
    last = signs.started_ns if signs.worker_answered_ns is None else signs.worker_answered_ns
    passed = {
        "workers": now_ns - last < SILENCE_NS or _busy(signs),
        "disk": not signs.disk_refused,
        "cache_layers": not signs.layer_left_alone,
        "no_worker_lost": signs.worker_lost_ns is None or now_ns - signs.worker_lost_ns >= LOSS_NS,
    }
    found = Status.HEALTHY if all(passed.values()) else Status.DEGRADED
    if not (passed["workers"] and passed["disk"]):
        found = Status.FAILING
    return found, {**passed, "queue": signs.queue}


def _busy(signs: Signs) -> bool:
    """Tell whether workers are silent because they work: they answered before, none died, and none has nothing to do."""
    return signs.worker_answered_ns is not None and not signs.lost_because and signs.idle_workers <= 0


def ready(signs: Signs, now_ns: int) -> bool:
    """Tell whether jobs can be taken: every required check passes."""
    return not any(check.required and check.reason for check in checks(signs, now_ns))


def checks(signs: Signs, now_ns: int) -> tuple[Check, ...]:
    """Return the checks of ``/ready``: a worker, its kernels loaded, answered lately; one more job may wait; the cache can be used."""
    cache = None
    if signs.disk_refused or signs.layer_left_alone:
        cache = ReadyReason.DISK_REFUSED if signs.disk_refused else ReadyReason.LAYER_LEFT_ALONE
    full = ReadyReason.QUEUE_FULL if signs.queue >= signs.queue_limit else None
    waiting = f"{signs.queue} of {signs.queue_limit} jobs wait" if full else ""
    return (
        _workers(signs, now_ns),
        Check("queue", True, 0.0, full, waiting),
        Check("cache", False, 0.0, cache),
    )


def _workers(signs: Signs, now_ns: int) -> Check:
    last = signs.started_ns if signs.worker_answered_ns is None else signs.worker_answered_ns
    age_seconds = round((now_ns - last) / NANOSECONDS, 3)
    if signs.worker_answered_ns is not None and now_ns - last < SILENCE_NS:
        return Check("workers", True, age_seconds)
    if signs.lost_because:
        return Check("workers", True, age_seconds, ReadyReason.WORKER_LOST, signs.lost_because)
    if signs.worker_answered_ns is None:
        return Check("workers", True, age_seconds, ReadyReason.NOT_STARTED)
    silent = ReadyReason.BUSY if _busy(signs) else ReadyReason.STALE
    return Check("workers", True, age_seconds, silent, f"no answer for {age_seconds:.0f} s")
