"""Waiting in tests: for what comes, never for a time; a busy machine has two minutes."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 120
"""Seconds until what has not come is taken for missing: far above what a starved machine needs."""

_LOOK_S = 0.002

_Found = TypeVar("_Found")


def _nothing() -> object:
    return "it never came"


async def until(look: Callable[[], _Found], said: Callable[[], object] = _nothing) -> _Found:
    """Look until something is found, and return it.

    Args:
        look: returns something false as long as it has not come.
        said: what to show when it does not come.
    """
    deadline = time.monotonic() + PATIENCE_S  # noqa: TID251 - a test's own patience
    while not (found := look()):
        assert time.monotonic() < deadline, said()  # noqa: TID251 - as above
        await asyncio.sleep(_LOOK_S)
    return found


def waited(look: Callable[[], _Found], said: Callable[[], object] = _nothing) -> _Found:
    """Look until something is found, and return it: ``until`` where no loop runs."""
    deadline = time.monotonic() + PATIENCE_S  # noqa: TID251 - a test's own patience
    while not (found := look()):
        assert time.monotonic() < deadline, said()  # noqa: TID251 - as above
        time.sleep(_LOOK_S)
    return found
