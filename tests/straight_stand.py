"""A gateway between clients and an upstream in memory, where nothing happens but what a test tells: for histories that are compared."""

import asyncio
from collections.abc import Sequence
from typing import Any

from uvicorn.server import ServerState

from veritape.gateway.access_lines import Access
from veritape.gateway.accounts import Account
from veritape.gateway.adapters.application import Gateway
from veritape.gateway.adapters.client_line import KnownHeads
from veritape.gateway.adapters.front_door import FrontDoor
from veritape.gateway.adapters.gate import Gate
from veritape.gateway.adapters.group_commit import Receipt
from veritape.gateway.adapters.key_finder import KeyFinder
from veritape.gateway.adapters.key_reader import Changes
from veritape.gateway.adapters.request_protocol import RequestProtocol
from veritape.gateway.adapters.server import served_by, server_config
from veritape.gateway.adapters.stores import ProcessStore
from veritape.gateway.adapters.straight_way import Passage
from veritape.gateway.adapters.target_pool import TargetPool
from veritape.gateway.adapters.upstream_connection import UpstreamConnection
from veritape.gateway.adapters.upstream_router import Upstreams
from veritape.gateway.keys import Environment, KeyRecord, key_digest, make_key
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.product.pages import Sources
from veritape.gateway.usage import EventSource, Kind, UsageEvent
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import UnavailableError

POLICY = b"""
version = 1
engine = 1
[tiers.big]
minute = { limit = 1_000, burst = 1_000 }
hour = { limit = 30_000 }
month = { quota = 100_000 }
[tiers.free]
minute = { limit = 60, burst = 4 }
month = { quota = 100_000 }
concurrency = 2
[ip]
class = [{ name = "anonymous", cidrs = ["0.0.0.0/0"], minute = { limit = 100 } }]
[cors]
origins = ["https://a.example"]
[upstreams]
back = { targets = [{ url = "http://127.0.0.1:9" }] }
[routes]
echo = { path = "/echo", methods = ["GET", "POST"], upstream = "back", anonymous = true }
kept = { path = "/kept", methods = ["GET"], upstream = "back", refund = "none", response_headers = { set = { X-Of = "$account" } } }
"""
"""Two accounts, one of which is soon refused; a route whose answers hold a variable."""

PEPPER = bytes(32)

CLIENTS = 3
"""Connections of clients, from two addresses."""

SETTLED = 12
"""Turns of the loop after which nothing is under way but what a test has to tell."""


class Pipe(asyncio.Transport):
    """This end of a connection in memory: keeps what was written."""

    def __init__(self, peer: str) -> None:
        super().__init__({"peername": (peer, 1), "sockname": ("127.0.0.1", 80)})
        self.protocol: Any = None
        self.written: list[bytes] = []
        self.is_over = self.says_eof = False

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Everything is taken at once."""
        return 0

    def is_closing(self) -> bool:
        """Tell whether it was closed, from either end."""
        return self.is_over

    def can_write_eof(self) -> bool:
        """As TCP can."""
        return True

    def write_eof(self) -> None:
        """Note it."""
        self.says_eof = True

    def close(self) -> None:
        """End it, as a transport does: the protocol is told in the loop's next turn."""
        if not self.is_over:
            self.is_over = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def receive(self, data: bytes) -> None:
        """Let bytes come from the other end."""
        if not self.is_over:
            self.protocol.data_received(data)

    def pause_reading(self) -> None:
        """Bytes come only when a test lets them."""

    abort = close
    resume_reading = pause_reading


class Rows:
    """A key store in memory."""

    thread = None

    def __init__(self, keys: dict[str, KeyRecord]) -> None:
        self.peppers: tuple[bytes, ...] = (PEPPER,)
        self.rows = {key_digest(PEPPER, key): record for key, record in keys.items()}
        self.number, self.changed = 1, frozenset[str]()
        self.looked_up = 0

    def revoke(self, account: str, wall_us: int) -> None:
        """Revoke an account's key."""
        self.rows = {
            digest: record._replace(revoked_us=wall_us) if record.account == account else record
            for digest, record in self.rows.items()
        }
        self.number, self.changed = self.number + 1, frozenset({account})

    def look_up(self, digests: Sequence[bytes]) -> KeyRecord | None:
        """Find a key."""
        self.looked_up += 1
        return self.rows.get(digests[0])

    def find_account(self, identifier: str) -> Account | None:
        """Know no accounts: nobody brings a token."""
        return dict[str, Account]().get(identifier)

    def changes_since(self, number: int) -> Changes:
        """Tell what changed last."""
        del number
        return Changes(self.number, self.changed)

    def move_keys(self, digests: object) -> None:
        """Nothing moves: there is one pepper."""

    def revoked_tokens(self, wall_us: int) -> frozenset[tuple[str, str]]:
        """Nobody brings a token."""
        del wall_us
        return frozenset()


class HeldLedger:
    """A ledger that writes when it is told to."""

    def __init__(self) -> None:
        self.events: list[UsageEvent] = []
        self.failed = False
        self._waiting: list[Receipt] = []

    def begin(self, event: UsageEvent) -> Receipt:
        """Take an event; a refund is written at once."""
        receipt = Receipt(event)
        if event.kind == Kind.REFUND:
            self.events.append(event)
            receipt.set()
        else:
            self._waiting.append(receipt)
        return receipt

    async def append(self, event: UsageEvent) -> None:
        """Write at once."""
        self.events.append(event)

    def commit(self, *, fails: bool) -> None:
        """Write what waits, or fail to."""
        waiting, self._waiting, self.failed = self._waiting, [], fails
        for receipt in waiting:
            receipt.failure = UnavailableError("the disk is full") if fails else None
            if not fails and receipt.event is not None:
                self.events.append(receipt.event)
            receipt.set()


class Figures:
    """What was told of the upstream."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, str, float]] = []
        self.healthy_targets: list[int] = []

    def attempt(self, upstream: str, outcome: str, seconds: float) -> None:
        """Keep an attempt."""
        self.attempts.append((upstream, outcome, seconds))

    def healthy(self, upstream: str, targets: int) -> None:
        """Keep a count."""
        del upstream
        self.healthy_targets.append(targets)


class Counted:
    """Ids in order in place of random ones."""

    def __init__(self) -> None:
        self._count = 0

    def take(self) -> bytes:
        """Return the next one."""
        self._count += 1
        return self._count.to_bytes(16, "big")


KEYS = {tier: make_key(Environment.LIVE, bytes([number]) * 64) for number, tier in enumerate(("big", "free"))}
"""Tier -> key of the account with its name."""


class Stand:
    """Clients, a gateway, an upstream."""

    def __init__(self, *, straight: bool) -> None:
        """Stand up; without the straight way every request goes the ordinary one."""
        self.clock = ManualClock(wall_ns=1_795_187_045_000_000_000, monotonic_ns=5_000_000_000)
        records = {key: self._record(tier, key) for tier, key in KEYS.items()}
        self.rows, self.ledger, self.figures = Rows(records), HeldLedger(), Figures()
        self.memory, self.log, self.remembered = MemoryStore(), list[Access](), list[bool]()
        self.finder = KeyFinder(self.rows, self.clock, note=self.remembered.append)
        store = ProcessStore(self.memory, self.clock)
        self.gate = Gate(
            self._policy(), store, self.ledger, self.finder, self.clock, EventSource(bytes(8)),
            durable=lambda: not self.ledger.failed,
        )  # fmt: skip
        upstreams = Upstreams(self.gate.policy, self.clock, self.figures)
        self.gateway = Gateway(
            self.gate, Sources(None, None, bytes(32)), self.log.append, upstreams=upstreams
        )
        self.gateway.random = Counted()  # type: ignore[assignment]
        if not straight:
            self.gateway._learn = lambda *_: None  # type: ignore[method-assign]
        self.state, self.known = ServerState(), KnownHeads()
        self.backs: list[Pipe] = []
        self._heard: dict[int, int] = {}
        """Connection of the upstream -> requests on it that were answered."""
        self.targets = list[TargetPool]()
        self._stand_in()
        self.clients = [self._client(number) for number in range(CLIENTS)]
        self.past: list[Pipe] = []
        """Connections that ended."""

    def _policy(self) -> Any:
        return read_policy(POLICY, "policy.toml")

    def _record(self, tier: str, key: str) -> KeyRecord:
        digest = key_digest(PEPPER, key)
        return KeyRecord(
            f"key_{tier}", tier, tier, False, Environment.LIVE, "", (), "", (), 1, 0, 0, 0, "", 0, digest
        )

    def _stand_in(self) -> None:
        """Let connections to the upstream end here."""
        (target,) = self.gateway.upstreams._pools["back"].targets
        if target not in self.targets:
            self.targets.append(target)
            target._connect = lambda until_s: self._connected(target)  # type: ignore[method-assign]

    async def _connected(self, target: TargetPool) -> UpstreamConnection:
        pipe = Pipe("127.0.0.9")
        pipe.protocol = UpstreamConnection(target._lost, target.known, target.departing)
        pipe.protocol.connection_made(pipe)
        self.backs.append(pipe)
        return pipe.protocol  # type: ignore[no-any-return]

    def _client(self, number: int) -> Pipe:
        pipe = Pipe(f"192.0.2.{number // 2}")
        config = server_config(self.gateway, 2, FrontDoor(self.gateway))
        pipe.protocol = RequestProtocol(
            config, self.state, {}, door=FrontDoor(self.gateway), serve=served_by(self.gateway), known=self.known
        )  # fmt: skip
        pipe.protocol.connection_made(pipe)
        return pipe

    # What a history tells

    async def ask(self, number: int, octets: bytes) -> None:
        """Let a client send bytes; one whose connection is over opens another."""
        if self.clients[number].is_over:
            self.past.append(self.clients[number])
            self.clients[number] = self._client(number)
        self.clients[number].receive(octets)

    async def answer(self, octets: bytes, ends: bool = False) -> None:
        """Let the upstream answer the request that waits longest."""
        for index, pipe in enumerate(self.backs):
            asked = sum(data.endswith(b"\r\n\r\n") for data in pipe.written)
            if self._heard.get(index, 0) < asked and not pipe.is_over:
                self._heard[index] = self._heard.get(index, 0) + (octets[:1] == b"H")
                pipe.receive(octets)
                if ends:
                    pipe.close()
                return

    async def commit(self, fails: bool = False) -> None:
        """Let the ledger write, or fail to."""
        self.ledger.commit(fails=fails)

    async def leave(self, number: int) -> None:
        """Let a client go."""
        self.clients[number].close()

    async def end(self, number: int) -> None:
        """Tell a connection that the server ends."""
        if not self.clients[number].is_over:
            self.clients[number].protocol.shutdown()

    async def revoke(self) -> None:
        """Revoke the big account's key, and let the worker read of it."""
        self.rows.revoke("big", self.clock.wall_ns() // 1_000)
        await self.finder.follow()

    async def reload(self) -> None:
        """Put the same policy in place once more."""
        self.gateway.swap(self._policy())
        self._stand_in()

    async def overload(self, level: int) -> None:
        """Put the overload ladder at a level."""
        self.gate.overload.level = level

    async def drain(self) -> None:
        """Let the worker end soon."""
        self.gateway.drain()

    async def wait(self, milliseconds: int) -> None:
        """Let time pass."""
        self.clock.advance_ns(milliseconds * 1_000_000)

    async def silence(self) -> None:
        """Let the patience of whoever waits for the upstream end."""
        for pipe in self.backs:
            if not pipe.is_over:
                patience = pipe.protocol._patience
                if patience._due_s is not None:
                    patience.clear()
                    patience._ring()

    async def give_up(self) -> None:
        """Let the time of all who wait for a connection end, of one after the other: whose refund comes first of two at once is nobody's promise."""
        for target in self.targets:
            for one in list(target._waiting):
                await self._settled()
                if isinstance(one, Passage) and one.heir is None and one._timer is not None:
                    one._asked_s = -1_000_000.0
                    one.go_over()
                else:
                    heir: Any = one.heir if isinstance(one, Passage) else one
                    if heir is not None:
                        heir.give_up()

    async def told(self, step: str, *how: Any) -> None:
        """Do one step of a history, up to where nothing happens by itself."""
        await getattr(self, step)(*how)
        await self._settled()

    async def _settled(self) -> None:
        """Go on up to where nothing happens by itself."""
        for _ in range(SETTLED):
            await asyncio.sleep(0)

    def seen(self) -> dict[str, object]:
        """Return everything that is left to see."""
        now_us, subjects = (
            self.clock.monotonic_ns() // 1_000,
            ("big:live", "free:live", "ip:anonymous:192.0.2.0/32"),
        )
        pipes = [*self.past, *self.clients]
        return {
            "to clients": [(b"".join(pipe.written), pipe.is_over, pipe.says_eof) for pipe in pipes],
            "to the upstream": [(pipe.written, pipe.is_over) for pipe in self.backs],
            "events": self.ledger.events,
            "log": self.log,
            "attempts": self.figures.attempts,
            "healthy": self.figures.healthy_targets,
            "targets": [(one.in_flight, len(one._idle), one._open, one.health) for one in self.targets],
            "in flight": self.gateway.in_flight,
            "served": self.state.total_requests,
            "held": [pipe.protocol.flow.is_reading_paused for pipe in pipes],
            "used keys": self.gate.used_keys,
            "accounts": [
                self.memory.status(one, self.gate.policy.tiers["big"].limits, now_us, self.clock.wall_ns() // 1_000)
                for one in subjects
            ],
            "months": self.memory.months,
            "activity": [(key, one.at_us, one.account, one.tier) for key, one in self.gate.activity._seen.items()],
            "seconds": list(self.gate.activity._seconds),
            "tally": self.gate.tally._counts,
            "look-ups": (self.rows.looked_up, self.remembered),
        }  # fmt: skip

    async def close(self) -> None:
        """Let everybody go."""
        for pipe in (*self.clients, *self.backs):
            pipe.close()
        self.ledger.commit(fails=False)
        for _ in range(SETTLED):
            await asyncio.sleep(0)
        self.gateway.upstreams.close()
