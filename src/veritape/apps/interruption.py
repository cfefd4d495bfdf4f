"""Ctrl-C as a stop token, for commands that run compiled code.

An exception that a signal raises can come up anywhere, also inside a callback of the compiler's library: there it is swallowed
and the compiled code is left half made, which ends in a segmentation fault. So the handler raises nothing: it sets what the
work looks at between bounded steps. What does not look (a compilation) is ended after a grace, and a second Ctrl-C at once.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from veritape.apps.start import INTERRUPTED
from veritape.executor.adapters.scratch import remove_own

Stop = Callable[[], bool]
"""Tells whether the work is to stop."""

GRACE_S = 4.0
"""Seconds between the first Ctrl-C and the end of the process: EX-633 promises 5."""


def _end() -> None:
    remove_own()
    os._exit(INTERRUPTED)


@contextmanager
def stoppable(grace_s: float = GRACE_S, end: Callable[[], object] = _end) -> Iterator[Stop]:
    """Give a stop token that SIGINT and SIGTERM set; leaving the context afterwards raises KeyboardInterrupt, whatever came of the work.

    Args:
        grace_s: seconds that the work has to see the token.
        end: ends the process when it did not, or when a second signal comes.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    asked = threading.Event()
    timer = threading.Timer(grace_s, end)
    timer.daemon = True

    def ask(number: int, frame: Any) -> None:
        del number, frame
        if asked.is_set():
            end()
        else:
            asked.set()
            timer.start()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    except BaseException:
        if not asked.is_set():
            raise
    finally:
        timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked.is_set():
        raise KeyboardInterrupt
