"""What a worker remembers of look-ups: answers for a while, bounded, and longer when nobody can be asked (GW-418).

Found and unknown are remembered apart, so that a flood of random credentials drives no known one out. An answer is fresh
for its time; after that it is asked for anew, and only if the store does not answer does a found one serve on, as stale.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar

SECOND_NS: Final = 1_000_000_000
"""Nanoseconds."""

FOUND_LIMIT: Final = 100_000
"""Found answers that are remembered."""

UNKNOWN_LIMIT: Final = 10_000
"""Unknown ones."""

FOUND_NS: Final = 60 * SECOND_NS
"""How long a found answer is fresh."""

UNKNOWN_NS: Final = 5 * SECOND_NS
"""How long an unknown one is."""

STALE_NS: Final = 300 * SECOND_NS
"""Age up to which a found answer serves while the store is gone."""

K = TypeVar("K", bound=Hashable)
"""What is looked up."""

V = TypeVar("V")
"""What is found."""


class Answer(NamedTuple, Generic[V]):
    """An answer of the store."""

    value: V | None
    """None: it is unknown."""
    at_ns: int
    """When it was given, monotonic clock."""


@dataclass
class LookUps(Generic[K, V]):
    """Answers of one kind."""

    found_limit: int = FOUND_LIMIT
    unknown_limit: int = UNKNOWN_LIMIT
    _found: OrderedDict[K, Answer[V]] = field(default_factory=OrderedDict)
    """Least recently used first."""
    _unknown: OrderedDict[K, Answer[V]] = field(default_factory=OrderedDict)
    """Oldest first."""

    def __len__(self) -> int:
        """Return how many answers are remembered."""
        return len(self._found) + len(self._unknown)

    def fresh(self, key: K, now_ns: int) -> Answer[V] | None:
        """Return an answer that needs no asking, None when the store must be asked."""
        answer = self._found.get(key)
        if answer is not None and now_ns - answer.at_ns < FOUND_NS:
            self._found.move_to_end(key)
            return answer
        answer = self._unknown.get(key)
        return answer if answer is not None and now_ns - answer.at_ns < UNKNOWN_NS else None

    def stale(self, key: K, now_ns: int) -> V | None:
        """Return what serves while the store is gone, None when nothing does."""
        answer = self._found.get(key)
        return answer.value if answer is not None and now_ns - answer.at_ns < STALE_NS else None

    def keep(self, key: K, value: V | None, now_ns: int) -> None:
        """Remember what the store answered."""
        self._found.pop(key, None)
        self._unknown.pop(key, None)
        kept, limit = (
            (self._unknown, self.unknown_limit) if value is None else (self._found, self.found_limit)
        )
        if len(kept) >= limit:
            kept.popitem(last=False)
        kept[key] = Answer(value, now_ns)

    def forget(self, is_changed: Callable[[V], bool]) -> None:
        """Forget found answers that changed, and every unknown one: it may be known now."""
        changed = [key for key, one in self._found.items() if one.value is not None and is_changed(one.value)]
        for key in changed:
            del self._found[key]
        self._unknown.clear()
