"""Requests to one target leave together, at the end of a turn of the event loop.

A request that is written alone wakes the target's process, which has answered it and sleeps again before the next one is ready: to wake a
process on another core costs the writer 3 us. Those of one turn, written one after another, wake it once. A lone request waits for
nothing but the end of its own turn.
"""

import asyncio
from collections.abc import Callable

Depart = Callable[[], None]
"""Writes what a connection has to write."""


class Departing:
    """What leaves at the end of the present turn."""

    def __init__(self) -> None:
        self._waiting: list[Depart] = []

    def add(self, depart: Depart) -> None:
        """Let something leave once everybody who was read in this turn was looked at."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._depart)
        self._waiting.append(depart)

    def _depart(self) -> None:
        waiting, self._waiting = self._waiting, []
        for depart in waiting:
            depart()
