"""What was found once and is found again: a dict with a bound, at which all of it is forgotten.

For answers that follow from their question alone. To forget everything costs one search for each of them now and then; to keep the most
recently used ones would cost every request.
"""

from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
"""The question."""

V = TypeVar("V")
"""The answer."""


class Remembered(dict[K, V]):
    """Answers, at most ``limit``."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        """Most answers that are kept."""

    def keep(self, question: K, answer: V) -> V:
        """Keep an answer, and return it."""
        if len(self) >= self.limit:
            self.clear()
        self[question] = answer
        return answer
