"""Progress of a job as values, at most ten a second (EX-346)."""

from dataclasses import dataclass
from enum import StrEnum

from veritape.kernel.clock import NANOSECONDS

INTERVAL_NS = NANOSECONDS // 10
"""Least time between two values of one job; the last one always comes."""


class Phase(StrEnum):
    """What a job is at."""

    LOAD = "load"
    """Inputs are hashed and looked up."""
    EXECUTE = "execute"
    """Guests run."""
    WRITE = "write"
    """Receipts become durable."""


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    job: str
    """Program id, the first characters."""
    phase: Phase
    """What it is at."""
    done: int
    """Items finished."""
    total: int
    """Items of the job."""
    seconds_left: float | None
    """By the pace so far; None before the first item."""


class Meter:
    """Makes progress values at a bounded pace."""

    def __init__(self, job: str, total: int, now_ns: int) -> None:
        self._job, self._total, self._began_ns = job, total, now_ns
        self._last_ns: int | None = None

    def at(self, phase: Phase, done: int, now_ns: int) -> Progress | None:
        """Return the value to show now, or None when the last one is too young."""
        last = done >= self._total and phase is Phase.WRITE
        if self._last_ns is not None and now_ns - self._last_ns < INTERVAL_NS and not last:
            return None
        self._last_ns = now_ns
        left = (now_ns - self._began_ns) / NANOSECONDS / done * (self._total - done) if done else None
        return Progress(self._job, phase, done, self._total, left)
