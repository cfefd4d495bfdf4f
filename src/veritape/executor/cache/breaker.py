"""When a layer that answers slowly or not at all is left alone for a while (EX-410)."""

from collections import deque

from veritape.kernel.clock import NANOSECONDS

FAILURES = 5
"""Failures that open the breaker."""

WINDOW_NS = 10 * NANOSECONDS
"""Time in which they fall."""

OPEN_NS = 5 * NANOSECONDS
"""Time for which the layer is left alone."""


class Breaker:
    """Decides whether a layer is asked; times are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._failures: deque[int] = deque(maxlen=FAILURES)
        self._open_until_ns = 0

    def allows(self, now_ns: int) -> bool:
        """Tell whether the layer may be asked now."""
        return now_ns >= self._open_until_ns

    def failed(self, now_ns: int) -> None:
        """Note a failure; enough of them in the window open the breaker."""
        self._failures.append(now_ns)
        if len(self._failures) == FAILURES and now_ns - self._failures[0] <= WINDOW_NS:
            self._open_until_ns = now_ns + OPEN_NS
            self._failures.clear()
