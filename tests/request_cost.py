"""What a proxied request costs the thread of the event loop, without sockets: python -m tests.request_cost [SECONDS] [STORE] [PROFILE].

STORE is memory, or redis, whose decisions come from a lease that never ends. The gateway is whole: connections, keys, limits, outbox, figures. Both ends of the wire are transports in memory, so the figure holds
no system call and does not depend on what else the machine does. Processor time of the loop's thread is told, in microseconds a request.
"""

import asyncio
import contextlib
import cProfile
import pstats
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import uvloop
from uvicorn.server import ServerState

from veritape.apps.bench.gateway_client import request_bytes
from veritape.apps.bench.gateway_proxies import POLICY
from veritape.apps.bench.gateway_upstream import ANSWER
from veritape.apps.garbage import seldom_collected
from veritape.apps.request_log import RequestLog
from veritape.gateway.adapters.application import Gateway
from veritape.gateway.adapters.client_line import KnownHeads
from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.front_door import FrontDoor
from veritape.gateway.adapters.gate import Gate
from veritape.gateway.adapters.group_commit import GroupCommit
from veritape.gateway.adapters.key_finder import KeyFinder
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.lease_desk import _Desk
from veritape.gateway.adapters.line_writer import LineWriter
from veritape.gateway.adapters.outbox import Outbox
from veritape.gateway.adapters.request_protocol import RequestProtocol
from veritape.gateway.adapters.server import served_by, server_config
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.gateway.adapters.stores import ProcessStore
from veritape.gateway.adapters.upstream_connection import UpstreamConnection
from veritape.gateway.adapters.upstream_router import Upstreams
from veritape.gateway.closed_labels import closed_metrics
from veritape.gateway.degradation import StoreState
from veritape.gateway.keys import Environment
from veritape.gateway.leases import Holding
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.metrics import METRICS, LookUpFigures
from veritape.gateway.policy import Policy
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.product.pages import Sources
from veritape.gateway.quota import State
from veritape.gateway.shared_calls import LeaseReply
from veritape.gateway.upstream_metrics import RegistryFigures
from veritape.gateway.usage import EventSource
from veritape.kernel.clock import Clock, SystemClock
from veritape.telemetry import Registry
from veritape.telemetry.metrics import part_metrics

CONNECTIONS: Final = 64
"""Clients, each with one request under way."""

TURNS: Final = 7
"""Of which the median is told."""

TIERS: Final = {"memory": "asking", "redis": "leased"}
"""Kind of store -> tier of the account."""

WARM_S: Final = 0.3
"""Seconds that do not count."""


class Wire(asyncio.Transport):
    """One end of a connection in memory; the other end answers in the loop's next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 80)})
        self._loop = loop
        self.protocol: Any = None
        self.answer = b""
        self.answered = 0

    def write(self, data: Any) -> None:
        """Take what the gateway writes; answer it."""
        self.answered += 1
        self.last = data
        self._loop.call_soon(self.protocol.data_received, self.answer)

    def get_write_buffer_size(self) -> int:
        """Everything is taken at once."""
        return 0

    def is_closing(self) -> bool:
        """Nobody closes here."""
        return False

    def abort(self) -> None:
        """Nothing is open."""

    close = pause_reading = resume_reading = write_eof = abort


async def measure(folder: Path, seconds: float, turns: int, kind: str) -> list[float]:
    """Return microseconds of the loop's thread for a request, turn by turn."""
    loop, clock = asyncio.get_running_loop(), SystemClock()
    policy = read_policy(POLICY.replace("STORE", kind).replace("PORT", "9").encode(), "policy.toml")
    registry = Registry((*part_metrics("gateway"), *closed_metrics(METRICS, policy)))
    events = EventSource(secrets.token_bytes(8))
    with contextlib.ExitStack() as stack:
        keys = stack.enter_context(contextlib.closing(KeyStore(SqliteKeys(folder / "keys.db"), bytes(32))))
        key, _ = keys.create("acme", TIERS[kind], Grant(Environment.LIVE, ()), clock.wall_ns() // 1_000)
        outbox = stack.enter_context(contextlib.closing(Outbox(folder, events.boot)))
        commit = stack.enter_context(contextlib.closing(GroupCommit(outbox.write, clock)))
        lines = stack.enter_context(contextlib.closing(LineWriter(1)))
        finder = KeyFinder(keys, clock, note=LookUpFigures(registry).note)
        store = ProcessStore(MemoryStore(), clock) if kind == "memory" else leasing(policy, clock)
        gate = Gate(policy, store, commit, finder, clock, events)
        upstreams = Upstreams(policy, clock, RegistryFigures(registry))
        log = RequestLog(registry, lines, gate.overload, enabled=False)
        gateway = Gateway(gate, Sources(None, None, bytes(32)), log, upstreams=upstreams)
        stack.enter_context(seldom_collected())
        clients = joined(loop, gateway, request_bytes("GET", "/one", key))
        for wire in clients:
            wire.protocol.data_received(wire.answer)
        await asyncio.sleep(WARM_S)
        found = []
        for _ in range(turns):
            before, used = sum(wire.answered for wire in clients), time.thread_time()
            await asyncio.sleep(seconds)
            used = time.thread_time() - used
            found.append(used * 1e6 / (sum(wire.answered for wire in clients) - before))
        if not clients[0].last.startswith(b"HTTP/1.1 200 OK\r\n"):
            raise AssertionError(clients[0].last)
        silence(clients)
        await asyncio.sleep(WARM_S)
    return found


def leasing(policy: Policy, clock: Clock) -> DegradingStore:
    """Return a store under a lease for the account that asks; nobody is asked for more."""
    nobody: Any = None
    store, tier = DegradingStore(nobody, nobody, clock, 300, 1, print), policy.tiers[TIERS["redis"]]
    if tier.lease is None:
        raise AssertionError("a tier without leases")
    store.states.state = StoreState.HEALTHY
    holding = Holding(tier.lease)
    holding.granted(10**12, 10**6, 10**18, 0, 0, recalled=False)
    now_us = clock.wall_ns() // 1_000
    reply = LeaseReply(1, now_us, State(), 0, 0, 10**12, now_us + 10**12, 0, 10**6)
    store._leases._desks["acme:live"] = _Desk(holding, tier.limits, reply)
    return store


def joined(loop: asyncio.AbstractEventLoop, gateway: Gateway, request: bytes) -> list[Wire]:
    """Connect clients, and as many connections to the upstream; return the clients."""
    pool = gateway.upstreams._pools["one"].targets[0]
    config = server_config(gateway, 2, FrontDoor(gateway))
    state, clients, known = ServerState(), [], KnownHeads()
    for _ in range(CONNECTIONS):
        back = Wire(loop)
        back.protocol, back.answer = UpstreamConnection(pool._lost, pool.known, pool.departing), ANSWER
        back.protocol.connection_made(back)
        back.protocol._is_complete = back.protocol._keeps_alive = True
        pool._idle.append(back.protocol)
        pool._open += 1
        front = Wire(loop)
        front.protocol = RequestProtocol(
            config, state, {}, loop, door=FrontDoor(gateway), serve=served_by(gateway), known=known
        )
        front.protocol.connection_made(front)
        front.answer = request
        clients.append(front)
    return clients


def silence(clients: list[Wire]) -> None:
    """Let no client ask any more."""
    for wire in clients:
        wire.write = lambda data: None  # type: ignore[method-assign]


def main() -> None:
    """Measure; with a second argument print the profile of a shorter run."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    kind = sys.argv[2] if len(sys.argv) > 2 else "memory"
    profile = cProfile.Profile() if len(sys.argv) > 3 else None
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        if profile is not None:
            profile.enable()
        found = runner.run(measure(Path(folder), seconds, 1 if profile else TURNS, kind))
        if profile is not None:
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(70)
    text = f"{statistics.median(found):.1f} us a request ({min(found):.1f} to {max(found):.1f})"
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
