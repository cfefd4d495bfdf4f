"""A real cluster of three primaries on loopback, for tests."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from tests.ports import kept_port
from tests.servers.redis_process import RedisProcess, redis_process
from tests.waiting import waited

SLOTS = 16_384


class RedisClusterProcess:
    """Three servers; each has a third of the slots."""

    def __init__(self, servers: list[RedisProcess], buses: list[int]) -> None:
        self.servers, self._buses = servers, buses
        self.clients = [redis.Redis(port=server.port) for server in servers]

    @property
    def url(self) -> str:
        """Its address: two of its servers."""
        return f"redis+cluster://127.0.0.1:{self.servers[0].port},127.0.0.1:{self.servers[1].port}"

    def ask(self, server: int, *words: object) -> Any:
        """Ask a server."""
        return self.clients[server].execute_command(*words)  # type: ignore[no-untyped-call]

    def identity(self, server: int) -> str:
        """Return a server's name in the cluster."""
        return str(self.ask(server, "CLUSTER MYID").decode())

    def owner(self, slot: int) -> int:
        """Return which server a slot was given to."""
        return slot * len(self.servers) // SLOTS

    def move(self, slot: int, to: int) -> None:
        """Give a slot that holds nothing to another server, on all at once."""
        for server in range(len(self.servers)):
            self.ask(server, "CLUSTER SETSLOT", slot, "NODE", self.identity(to))

    def form(self) -> None:
        """Share the slots out and wait until every server knows of all."""
        count = len(self.servers)
        for index in range(count):
            first = -(-index * SLOTS // count)
            last = -(-(index + 1) * SLOTS // count) - 1
            self.ask(index, "CLUSTER ADDSLOTSRANGE", first, last)
            self.ask(index, "CLUSTER SET-CONFIG-EPOCH", index + 1)
        for server, bus in zip(self.servers[1:], self._buses[1:], strict=True):
            self.ask(0, "CLUSTER MEET", "127.0.0.1", server.port, bus)
        self.wait()

    def wait(self) -> None:
        """Wait until every server says that the cluster is whole."""
        waited(self._is_whole, lambda: "the cluster does not form")

    def _is_whole(self) -> bool:
        known = [client.cluster("INFO") for client in self.clients]
        whole = {(one["cluster_state"], one["cluster_known_nodes"]) for one in known}
        return whole == {("ok", str(len(self.servers)))}


@contextmanager
def redis_cluster(folder: Path) -> Iterator[RedisClusterProcess]:
    """Run a cluster; it is killed at the end."""
    with ExitStack() as stack:
        servers, buses = list[RedisProcess](), list[int]()
        for number in range(3):
            (home := folder / f"node{number}").mkdir()
            buses.append(stack.enter_context(kept_port()))  # the usual one, 10,000 above, may be none
            options = (
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "20000",
                "--cluster-port",
                str(buses[-1]),
            )
            servers.append(stack.enter_context(redis_process(home, *options)))
        made = RedisClusterProcess(servers, buses)
        for client in made.clients:
            stack.callback(client.close)
        made.form()
        yield made
