"""The cycle collector: what stays to the end of a process is not looked at again and again; the one place that freezes and thaws.

What is frozen is never collected, not even when Python ends: libraries that count then what is left of their objects would call all of it a leak, a
page of lines on stderr. So it is thawed before.
"""

import atexit
import contextlib
import gc
from collections.abc import Iterator
from typing import Final

YOUNG_OBJECTS: Final = 20_000
"""New objects after which the youngest are looked at: a request makes some hundred, and few of them in a cycle."""


def keep_to_the_end() -> None:
    """Leave what is there now out of the collector's walks until the process ends."""
    gc.freeze()
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Leave what is there now out of the collector's walks, and let it look less often, until the end of a block.

    By default it looks after 700 new objects, and now and then at all that there is: an eighth of a proxied request's time.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
