"""How fast a client must send its body: no silence of 15 s, and 64 bytes a second over 10 s (GW-553)."""

from dataclasses import dataclass
from typing import Final

SILENCE_S: Final = 15.0
"""Longest time without a byte."""

WINDOW_S: Final = 10.0
"""Over which the rate is measured."""

WINDOW_BYTES: Final = 640
"""Fewest bytes in a window: 64 a second."""


@dataclass
class BodyPace:
    """Pace of one body. Times are seconds of one monotonic clock."""

    last_s: float
    """When the last byte came."""
    window_s: float
    """When the present window began."""
    window_bytes: int = 0
    """Bytes in the present window."""

    def receive(self, count: int, now_s: float) -> None:
        """Count bytes."""
        self.last_s = now_s
        self.window_bytes += count

    def excuse(self, now_s: float) -> None:
        """Begin anew: the wait was ours."""
        self.last_s = self.window_s = now_s
        self.window_bytes = 0

    def is_late(self, now_s: float) -> bool:
        """Tell whether the body comes too slowly; call it when ``due_s`` has come."""
        if now_s - self.last_s >= SILENCE_S:
            return True
        if now_s - self.window_s < WINDOW_S:
            return False
        is_slow = self.window_bytes < WINDOW_BYTES
        self.window_s, self.window_bytes = now_s, 0
        return is_slow

    def due_s(self) -> float:
        """Return when to look again."""
        return min(self.last_s + SILENCE_S, self.window_s + WINDOW_S)
