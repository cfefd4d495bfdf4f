"""How a batch becomes jobs: equal inputs once, in order, in pieces of about a second (EX-343 to 345, 358)."""

import math
from collections.abc import Hashable, Sequence

from veritape.executor.runtime.outcomes import RuntimeReason
from veritape.kernel.errors import MisuseError

MAX_ITEMS = 65_536
"""Longest batch: a list of claims is no longer."""

FIRST_ITEMS = 16
"""Items of the first job, whose time nobody knows yet."""

CHUNK_ITEMS = 1000
"""Most items of a job: what a killed batch may lose."""

CHUNK_S = 1.0
"""Seconds that a job should take: what a killed batch may lose, and how soon a deadline is seen."""

LEAST_S = 0.004
"""Seconds that a job should take at least: each costs a durable write and a change of the index, about two milliseconds."""

SHORT_S = 0.05
"""Seconds of a job up to which all that is left is shared out: above it items that differ would leave a worker waiting too long."""

WAITING_S = 0.25
"""Most seconds of a job that is handed out while all workers are busy, so that none waits for its next one, which takes a millisecond or two."""

ROUNDING = 1e-6
"""Part of an item that is none: seconds are floats."""

WORTH = 0.10
"""A doubling that makes an item cheaper by less than this is the last."""


def check_size(count: int) -> None:
    """Refuse a batch that is too long.

    Raises:
        MisuseError: ``too_many_items``.
    """
    if count > MAX_ITEMS:
        text = f"too_many_items: {count:,} inputs, at most {MAX_ITEMS:,}: make several batches"
        raise MisuseError(text, RuntimeReason.TOO_MANY_ITEMS)


def distinct(inputs: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[int]]:
    """Return the distinct inputs in order of appearance, and for each input its place among them."""
    if len(set(inputs)) == len(inputs):
        return inputs, range(len(inputs))
    places: dict[bytes, int] = {}
    chosen = [places.setdefault(data, len(places)) for data in inputs]
    return list(places), chosen


def twins(inputs: Sequence[bytes]) -> list[int | None]:
    """Return for each input the place of the first one that equals it; None for one that is the first itself."""
    first: dict[bytes, int] = {}
    found = [first.setdefault(data, place) for place, data in enumerate(inputs)]
    return [None if twin == place else twin for place, twin in enumerate(found)]


class Chunks:
    """Chooses how many items the next job takes, from how long the last ones took."""

    def __init__(self) -> None:
        self._seconds_per_item: float | None = None

    @property
    def pace_s(self) -> float:
        """Return the seconds of an item, by the last job; 0: not known."""
        return 0.0 if self._seconds_per_item is None else max(self._seconds_per_item, CHUNK_S / MAX_ITEMS)

    def size(self, left: int, busy_s: Sequence[float]) -> int:
        """Return the number of items of the next job, for the worker that is free first.

        Its last job ends when those of all others do. Where that would be a long one it takes half of it, because items
        differ; what would be left for a tiny one it takes as well.

        Args:
            left: items that nobody works on.
            busy_s: for each worker, the seconds until it has done what it was given.
        """
        pace_s, workers = self.pace_s, len(busy_s)
        if not pace_s:
            return min(FIRST_ITEMS, _parts(left, workers))
        end_s = (sum(busy_s) + left * pace_s) / workers
        share = max(0, math.ceil((end_s - min(busy_s)) / pace_s - ROUNDING))
        least = int(LEAST_S / pace_s)
        size = max(share if share * pace_s <= SHORT_S else _parts(share, 2), least)
        if left - size < least:
            size = left
        return max(1, min(int(CHUNK_S / pace_s), CHUNK_ITEMS, size))

    def ahead(self, left: int, busy_s: Sequence[float]) -> int:
        """Return the number of items of a job that waits for a worker; 0: items take so long that none need wait for one."""
        return min(self.size(left, busy_s), int(WAITING_S / self.pace_s)) if self.pace_s else 0

    def done(self, items: int, seconds: float) -> None:
        """Note how long a job took."""
        self._seconds_per_item = seconds / items


class Schedule:
    """Estimates when each worker has done what it was given; the next job goes to the one that is free first."""

    def __init__(self, workers: int) -> None:
        self._free_s = [0.0] * workers
        self._jobs: dict[Hashable, tuple[int, float]] = {}

    def busy_s(self, now_s: float) -> list[float]:
        """Return for each worker the seconds until it is free."""
        return [max(0.0, free_s - now_s) for free_s in self._free_s]

    def sent(self, job: Hashable, seconds: float, now_s: float) -> None:
        """Note a job that was handed out, and what it will take."""
        worker = self._free_s.index(min(self._free_s))
        self._free_s[worker] = max(self._free_s[worker], now_s) + seconds
        self._jobs[job] = worker, self._free_s[worker]

    def answered(self, job: Hashable, now_s: float) -> None:
        """Note that a job ended: what its worker has still to do moves by as much as this one was early or late."""
        worker, end_s = self._jobs.pop(job)
        late_s = now_s - end_s
        self._free_s[worker] += late_s
        for other, (its_worker, its_end_s) in self._jobs.items():
            if its_worker == worker:
                self._jobs[other] = worker, its_end_s + late_s


def _parts(items: int, count: int) -> int:
    return -(-items // count)


class Doubling:
    """Finds the size of a batch from which more items make none cheaper (EX-358)."""

    def __init__(self, first: int = FIRST_ITEMS) -> None:
        self.size = first
        """Items to measure next, or the answer."""
        self.found = False
        """The answer is known."""
        self._best_s: float | None = None

    def measured(self, seconds_per_item: float, *, bound: bool = False) -> None:
        """Note a measurement at ``size``; ``bound``: memory, deadline or cycles allow no larger one."""
        if self._best_s is not None and seconds_per_item > self._best_s * (1 - WORTH):
            self.size //= 2
            self.found = True
        elif bound:
            self.found = True
        else:
            self._best_s = seconds_per_item
            self.size *= 2
