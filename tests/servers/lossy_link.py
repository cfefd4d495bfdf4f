"""A connection to the shared store on which some calls have no answer, whether they happened or not, for tests."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, cast

import hiredis

from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.adapters.store_link import Connected, Link


class LossyLink:
    """Passes calls on to a link; ``lost`` is the share that has no answer, ``unsent`` the share that does not happen either."""

    def __init__(self, link: Link, chance: random.Random) -> None:
        self._link, self._chance = link, chance
        self.lost = self.unsent = 0.0

    @property
    def connected(self) -> Connected:
        """As the link says."""
        return self._link.connected

    @property
    def servers(self) -> Sequence[Link]:
        """As the link says."""
        return self._link.servers

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        await self._link.run()

    def call(self, parts: Sequence[bytes]) -> "asyncio.Future[Any]":
        """Send a command."""
        return self.send(hiredis.pack_command(cast("Any", tuple(parts))))

    def send(self, command: bytes) -> "asyncio.Future[Any]":
        """Send a command as the protocol writes it, or lose it, or lose its answer."""
        roll = self._chance.random()
        if roll >= self.unsent + self.lost:
            return self._link.send(command)
        told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if roll < self.unsent:
            told.set_exception(StoreError("the call was lost"))
        else:
            self._link.send(command).add_done_callback(lambda _: _fail(told))
        return told


def _fail(told: "asyncio.Future[Any]") -> None:
    if not told.done():
        told.set_exception(StoreError("the answer was lost"))
