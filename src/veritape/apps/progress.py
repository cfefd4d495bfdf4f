"""How far a batch command is: one line that changes on a terminal, plain lines elsewhere, always on stderr."""

import sys

import click

from veritape.kernel.clock import NANOSECONDS, Clock

PLAIN_NS = 5 * NANOSECONDS
"""Pause between two plain lines."""

TERMINAL_NS = NANOSECONDS // 10
"""The same on a terminal."""


class Progress:
    """Counts what is done and says it now and then."""

    def __init__(self, command: str, clock: Clock) -> None:
        self._command = command
        self._clock = clock
        self._terminal = sys.stderr.isatty()
        self._done: dict[str, list[int]] = {}
        self._said_ns = clock.monotonic_ns()

    def __call__(self, what: str, size: int) -> None:
        """Count one more file of a size."""
        counts = self._done.setdefault(what, [0, 0])
        counts[0] += 1
        counts[1] += size
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._said_ns >= (TERMINAL_NS if self._terminal else PLAIN_NS):
            self._said_ns = now_ns
            self._say(what, *counts)

    def _say(self, what: str, files: int, size: int) -> None:
        line = f"{self._command}: {what} {files:,} files, {size / 1e6:,.1f} MB"
        click.echo(f"\r{line:<78}" if self._terminal else line, err=True, nl=not self._terminal)

    def end(self) -> None:
        """Leave the line that changed."""
        if self._terminal and self._done:
            click.echo(f"\r{'':<78}\r", err=True, nl=False)
