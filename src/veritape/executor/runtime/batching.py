"""How a batch becomes jobs: equal inputs once, in order, in pieces of about a second (EX-343 to 345, 358)."""

from collections.abc import Sequence

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

LEAST_S = 0.005
"""Seconds that a job should take at least: each costs a durable write and a change of the index, about two milliseconds."""

SHORT_S = 0.05
"""Most seconds of a job that is handed out while all workers are busy, so that none waits for its next one, which takes a millisecond or two."""

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

    def size(self, left: int, workers: int) -> int:
        """Return the number of items of the next job.

        Towards the end jobs grow smaller, so that the workers end together: each takes at most its even share of what is left,
        while others are still at work or wait.
        """
        if self._seconds_per_item is None:
            return min(FIRST_ITEMS, _parts(left, workers))
        pace_s = max(self._seconds_per_item, CHUNK_S / MAX_ITEMS)
        share = max(_parts(left, workers), int(LEAST_S / pace_s))
        return max(1, min(int(CHUNK_S / pace_s), CHUNK_ITEMS, share))

    def ahead(self, left: int, workers: int) -> int:
        """Return the number of items of a job that waits for a worker; 0: items take so long that none need wait for one."""
        if self._seconds_per_item is None:
            return 0
        return min(self.size(left, workers), int(SHORT_S / max(self._seconds_per_item, CHUNK_S / MAX_ITEMS)))

    def done(self, items: int, seconds: float) -> None:
        """Note how long a job took."""
        self._seconds_per_item = seconds / items


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
