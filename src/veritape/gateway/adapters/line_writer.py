"""Lines to a descriptor without ever waiting for its reader: the event loop must not stand still for a full pipe."""

import os
import threading
from collections import deque
from typing import Final

LINES_LIMIT: Final = 10_000
"""Lines that wait; a further one is dropped and counted."""

GROUP_LINES: Final = 256
"""Lines of one write."""

PATIENCE_S: Final = 1.0
"""Seconds that the end waits for what is not yet written."""


class LineWriter:
    """A bounded queue and the thread that writes what is in it."""

    def __init__(self, descriptor: int, limit: int = LINES_LIMIT) -> None:
        """Begin.

        Args:
            descriptor: where the lines go; it is not closed here.
            limit: lines that may wait.
        """
        self._descriptor, self._limit = descriptor, limit
        self._waiting: deque[str] = deque()
        self._due = threading.Event()
        self._ending = False
        self.dropped = 0
        """Lines that did not fit, or could not be written."""
        self._thread = threading.Thread(target=self._run, name="line-writer", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Take a line without its line feed; drop it when too many wait."""
        if len(self._waiting) >= self._limit:
            self.dropped += 1
            return
        self._waiting.append(line)
        if not self._due.is_set():
            self._due.set()

    def close(self, patience_s: float = PATIENCE_S) -> None:
        """Write what waits; a reader who does not read is not waited for longer than the patience."""
        self._ending = True
        self._due.set()
        self._thread.join(patience_s)

    def _run(self) -> None:
        while not self._ending:
            self._due.wait()
            self._due.clear()
            while self._waiting:
                self._write([self._waiting.popleft() for _ in range(min(GROUP_LINES, len(self._waiting)))])

    def _write(self, lines: list[str]) -> None:
        octets = memoryview("".join(f"{line}\n" for line in lines).encode())
        try:
            while octets:
                octets = octets[os.write(self._descriptor, octets) :]
        except OSError:
            self.dropped += len(lines)
