"""A store of several servers: Redis Cluster, one connection to each (GW-261, GW-262).

All keys of one call share a partition's tag, so each call belongs to one server. Which, the cluster says: its table of slots
is read from whichever server answers, read again when a server sent a call elsewhere or a connection was lost, and a call
that was sent elsewhere follows once. Who sends a call elsewhere has not executed it, so following it repeats nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, cast

import hiredis

from veritape.gateway.adapters.redis_address import RedisAddress
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.adapters.store_link import Link
from veritape.gateway.cluster_slots import Place, read_redirect, read_table, slot_of_command
from veritape.kernel.errors import PeerError

LOOK_S: Final = 0.1
"""Seconds between two looks at whether all servers are there."""


class ClusterLink:
    """Connections to the servers of a cluster; connected while each part of the keys has one."""

    def __init__(self, seeds: Sequence[RedisAddress], make: Callable[[RedisAddress], Link]) -> None:
        """Prepare; ``run`` connects.

        Args:
            seeds: servers that are asked first; what else they know of us goes for all.
            make: makes the connection to one server.
        """
        self._seeds, self._make = seeds, make
        self._links: dict[Place, Link] = {}
        self._running: dict[Place, asyncio.Task[None]] = {}
        self._table: list[Place] = []
        self._looks_again = True
        self.connected = self
        """Tells whether calls can be made."""

    def is_set(self) -> bool:
        """Tell whether every part of the keys has a server that is connected."""
        servers = self.servers
        return bool(servers) and all(link.connected.is_set() for link in servers)

    @property
    def servers(self) -> Sequence[Link]:
        """Return a link to each primary."""
        return [self._links[place] for place in sorted(set(self._table))]

    async def run(self) -> None:
        """Keep table and connections until cancelled."""
        self._keep([seed.place for seed in self._seeds])
        try:
            while True:
                if self._looks_again or not self.is_set():
                    await self._look()
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def call(self, parts: Sequence[bytes]) -> "asyncio.Future[Any]":
        """Send a command to the server that has its key."""
        return self._ask(parts, hiredis.pack_command(cast("Any", tuple(parts))))

    def send(self, command: bytes) -> "asyncio.Future[Any]":
        """Send a command as the protocol writes it to the server that has its key."""
        reader = hiredis.Reader()
        reader.feed(command)
        return self._ask(reader.gets(), command)

    def _ask(self, parts: Sequence[bytes], command: bytes) -> "asyncio.Future[Any]":
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._table:
            answer.set_exception(StoreError("the store is not connected"))
            return answer
        place = self._table[slot_of_command(parts) or 0]
        asked = self._links[place].send(command)
        asked.add_done_callback(partial(self._follow, place, command, answer))
        return answer

    def _follow(
        self, place: Place, command: bytes, answer: "asyncio.Future[Any]", asked: "asyncio.Future[Any]"
    ) -> None:
        """Hand an answer on, or send the call where its server says, once."""
        found = None if asked.cancelled() or asked.exception() is not None else asked.result()
        redirect = read_redirect(str(found), place) if isinstance(found, hiredis.ReplyError) else None
        if redirect is None:
            _hand_on(answer, asked)
            return
        link = self._link_to(redirect.place)
        if redirect.once:
            link.call([b"ASKING"]).add_done_callback(_let_go)
        else:
            self._table[redirect.slot], self._looks_again = redirect.place, True
        link.send(command).add_done_callback(partial(_hand_on, answer))

    async def _look(self) -> None:
        """Read the table from the first server that has one."""
        for place, link in list(self._links.items()):
            with contextlib.suppress(StoreError, PeerError):
                self._table = read_table(await link.call([b"CLUSTER", b"SLOTS"]), place)
                self._keep(self._table)
                self._looks_again = False
                return

    def _keep(self, places: Iterable[Place]) -> None:
        """Connect to servers; let the connections go that nobody needs."""
        wanted = dict.fromkeys([*places, *(seed.place for seed in self._seeds)])
        for place in wanted:
            self._link_to(place)
        for place in self._links.keys() - wanted.keys():
            self._running.pop(place).cancel()
            del self._links[place]

    def _link_to(self, place: Place) -> Link:
        if place not in self._links:
            link = self._make(self._seeds[0]._replace(host=place[0], port=place[1]))
            self._links[place] = link
            self._running[place] = asyncio.create_task(link.run())
        return self._links[place]


def _hand_on(answer: "asyncio.Future[Any]", asked: "asyncio.Future[Any]") -> None:
    if asked.cancelled():
        answer.cancel()
    elif (error := asked.exception()) is not None:
        if not answer.done():
            answer.set_exception(error)
    elif not answer.done():
        answer.set_result(asked.result())


def _let_go(asked: "asyncio.Future[Any]") -> None:
    """Look at a failure: the call that follows fails with it."""
    if not asked.cancelled():
        asked.exception()
