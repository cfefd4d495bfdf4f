"""Which watched codes are quieter than they use to be (level g of OB-641).

A pause proves nothing: a quiet stock is no gap. But one that is longer than almost every pause of the code today, while
other codes go on, is worth one question, and the answer is evidence of another level (e). Only pauses of half a minute or
more can ever matter, so the count of all and the lengths of those few say exactly how rare the present one is.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

SECOND_US: Final = 1_000_000
"""Microseconds of a second."""

SILENCE_US: Final = 30 * SECOND_US
"""Shortest pause that is looked at."""

SEEN: Final = 200
"""Pauses of today that must be known before one can be called rare."""

RARE: Final = 1_000
"""A pause is rare when at most one in so many is as long: above the 99.9 % interval."""


@dataclass
class Silence:
    """The pauses of one code's day."""

    last_us: int = 0
    """When it was last heard; 0 for never."""
    seen: int = 0
    """Pauses between two frames."""
    long_us: list[int] = field(default_factory=list)
    """Those of half a minute or more, rising."""
    asked_us: int = 0
    """When it was last heard before it was asked for: one question a silence."""

    def is_rare(self, pause_us: int) -> bool:
        """Tell whether hardly any pause of today was as long."""
        as_long = len(self.long_us) - bisect_left(self.long_us, pause_us)
        return self.seen >= SEEN and as_long * RARE <= self.seen


class Silences:
    """The codes of one day."""

    def __init__(self) -> None:
        self._codes: dict[str, Silence] = {}

    def heard(self, code: str, times_us: Iterable[int]) -> None:
        """Take the moments at which frames of a code arrived, in order and on a line without steps; earlier ones than known say nothing."""
        silence = self._codes.setdefault(code, Silence())
        for time_us in times_us:
            pause_us = time_us - silence.last_us
            if pause_us <= 0:
                continue
            if silence.last_us:
                silence.seen += 1
                if pause_us >= SILENCE_US:
                    insort(silence.long_us, pause_us)
            silence.last_us = time_us

    def to_ask(self, now_us: int, watched: Iterable[str]) -> list[str]:
        """Return the watched codes whose present silence is rare while others are heard; each once a silence.

        Args:
            now_us: present moment, on the same line as those of the frames.
            watched: codes that are registered now.
        """
        own = {code: self._codes[code] for code in watched if code in self._codes}
        pauses = {code: now_us - silence.last_us for code, silence in own.items()}
        if not any(pause < SILENCE_US for pause in pauses.values()):
            return []
        found = [
            code
            for code, silence in own.items()
            if pauses[code] >= SILENCE_US
            and silence.asked_us != silence.last_us
            and silence.is_rare(pauses[code])
        ]
        for code in found:
            own[code].asked_us = own[code].last_us
        return found
