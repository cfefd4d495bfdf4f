"""Where ``veritape`` begins and ends: what Ctrl-C and SIGTERM mean before a command runs and after it has.

While libraries are loaded nothing is open yet, so a signal ends the process at once with the command's own status; an exception could come
up inside a library that is half loaded, which makes of it what it likes. This module loads nothing for that reason, and is the
first of ours. When the command is loaded a signal is KeyboardInterrupt, until the command sets handlers of its own. A signal that comes
before Python runs a line of this file, or after it has taken its handlers down, is the interpreter's: SIGTERM is death by signal there.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

INTERRUPTED: Final = 130
"""Exit status of a batch command that Ctrl-C ended."""

LONG_RUNNING: Final = frozenset({"up", "record", "replay", "serve", "compute", "jobs"})
"""Commands that run until they are stopped: Ctrl-C and SIGTERM are how they end, with 0, even while they still start."""

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
"""How somebody asks a process to stop."""


class Ending:
    """A signal handler that ends the process."""

    def __init__(self, status: int, end: Callable[[int], object] = os._exit) -> None:
        self._status, self._end = status, end

    def __call__(self, number: int, frame: Any) -> None:
        """Say what was to be said, and end."""
        del number, frame
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, RuntimeError):  # nobody reads it any more, or it was being written just now
            pass
        self._end(self._status)


def main() -> NoReturn:
    """Run the command line and exit with its status."""
    _answer(Ending(status_of(sys.argv)))
    try:
        importlib.import_module("veritape.apps.command_line").main()
    except SystemExit as ended:
        _answer(Ending(ended.code if isinstance(ended.code, int) else 0))
        raise
    raise AssertionError("the command line ends with SystemExit")


def status_of(arguments: list[str]) -> int:
    """Return the exit status of a command that a signal stops."""
    return 0 if LONG_RUNNING.intersection(arguments[1:2]) else INTERRUPTED


def interrupt_from_now_on() -> None:
    """Make a signal KeyboardInterrupt, where it ended the process: the command is loaded and can close what it opens."""
    for number in SIGNALS:
        if isinstance(signal.getsignal(number), Ending):
            signal.signal(number, signal.default_int_handler)


def _answer(ending: Ending) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job leaves Ctrl-C to others
            signal.signal(number, ending)
