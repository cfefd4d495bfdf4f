"""When the venue may be asked again: its weights, its 429 and 418 (OB-908).

The venue counts the weight of every call of an address in its own minutes and says in each answer how much is used. Its
clock is not ours, so two counts over any 60 seconds of ours are kept, our own calls and what it last said, and neither may
reach the share of the limit that is ours. A 429 or 418 stops every call for the seconds that its ``Retry-After`` names;
calling on regardless is what turns 429 into a ban.
"""

import math
from collections import deque
from collections.abc import Mapping
from typing import Final

from veritape.kernel.clock import NANOSECONDS
from veritape.wire.binance.rest import BANNED, LONGEST_BAN_S, RETRY_HEADER, TOO_MANY, WEIGHT_HEADER

MINUTE_NS: Final = 60 * NANOSECONDS
"""The venue's window."""

UNSAID_S: Final = 60
"""Seconds to wait where a 429 does not say; a 418 without a word is doubled from there."""

FIRST_FAILURE_NS: Final = NANOSECONDS
"""Wait after the first call without any answer; doubled with each further one."""

FAILURES_CAP: Final = 6
"""Doublings of that wait: at most 64 s."""

WEIGHT_DIGITS: Final = 9
"""Longest number that a header is believed."""


class Weights:
    """The weight that may still be used."""

    def __init__(self, limit: int) -> None:
        """Begin with nothing used; ``limit`` is the weight of any 60 seconds that is ours to use."""
        self._limit = limit
        self._own: deque[tuple[int, int]] = deque()
        self._said: tuple[int, int] = (0, 0)
        self._until_ns = 0
        self._failures = 0
        self.refusals = 0
        """Answers 429 and 418."""

    @property
    def said_used(self) -> int:
        """Return the weight that the venue last said was used."""
        return self._said[1]

    def due_ns(self, weight: int, now_ns: int) -> int:
        """Return when a call of this weight may be made; now or earlier when at once."""
        while self._own and self._own[0][0] <= now_ns - MINUTE_NS:
            self._own.popleft()
        due_ns, left = self._until_ns, sum(cost for _, cost in self._own) + weight - self._limit
        for at_ns, cost in self._own:
            if left <= 0:
                break
            due_ns, left = max(due_ns, at_ns + MINUTE_NS), left - cost
        said_ns, said = self._said
        after = sum(cost for at_ns, cost in self._own if at_ns > said_ns)
        if said + after + weight > self._limit and now_ns < said_ns + MINUTE_NS:
            due_ns = max(due_ns, said_ns + MINUTE_NS)
        return due_ns

    def sent(self, weight: int, now_ns: int) -> None:
        """Count a call that is made."""
        self._own.append((now_ns, weight))

    def answered(self, status: int, headers: Mapping[str, str], now_ns: int) -> None:
        """Take an answer's status and headers."""
        self._failures = 0
        used = _number(headers.get(WEIGHT_HEADER))
        if used is not None:
            self._said = (now_ns, used)
        if status in {TOO_MANY, BANNED}:
            self.refusals += 1
            wait_s = _number(headers.get(RETRY_HEADER))
            wait_s = (UNSAID_S if status == TOO_MANY else 2 * UNSAID_S) if wait_s is None else wait_s
            self._until_ns = max(self._until_ns, now_ns + min(wait_s, LONGEST_BAN_S) * NANOSECONDS)

    def failed(self, now_ns: int) -> None:
        """Take a call that brought no answer."""
        wait_ns = FIRST_FAILURE_NS << min(self._failures, FAILURES_CAP)
        self._failures += 1
        self._until_ns = max(self._until_ns, now_ns + wait_ns)


def _number(text: str | None) -> int | None:
    if (
        text is None
        or len(text) > WEIGHT_DIGITS
        or not text.isascii()
        or not text.replace(".", "", 1).isdigit()
    ):
        return None
    return math.ceil(float(text))
