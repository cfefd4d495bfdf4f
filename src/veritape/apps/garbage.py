"""The cycle collector of a process that answers requests: it looks seldom, and never at what stays."""

import contextlib
import gc
from collections.abc import Iterator
from typing import Final

YOUNG_OBJECTS: Final = 20_000
"""New objects after which the youngest are looked at: a request makes some hundred, and few of them in a cycle."""


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
