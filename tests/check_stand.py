"""Envoy's calls of authorization and a service in memory, where nothing happens but what a test tells: for histories that are compared."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

from tests.straight_stand import PEPPER, Counted, HeldLedger, Rows

from veritape.gateway.adapters.decision_desk import Desk, Told
from veritape.gateway.adapters.envoy.authorization import Authorization
from veritape.gateway.adapters.envoy.messages_pb2 import (
    Address,
    AttributeContext,
    CheckRequest,
    HeaderMap,
    HeaderValue,
    SocketAddress,
)
from veritape.gateway.adapters.gate import Gate
from veritape.gateway.adapters.key_finder import KeyFinder
from veritape.gateway.adapters.stores import ProcessStore
from veritape.gateway.keys import Environment, KeyRecord, key_digest, make_key
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.usage import EventSource
from veritape.kernel.clock import ManualClock

POLICY = b"""
version = 1
engine = 1
[tiers.big]
minute = { limit = 1_000, burst = 1_000 }
hour = { limit = 30_000 }
month = { quota = 100_000 }
[tiers.small]
minute = { limit = 60, burst = 4 }
month = { quota = 100_000 }
concurrency = 2
[ip]
trusted_proxies = ["192.0.2.9"]
class = [{ name = "anonymous", cidrs = ["0.0.0.0/0"], minute = { limit = 100 } }]
[upstreams]
back = { inprocess = true }
[routes]
echo = { path = "/echo", methods = ["GET"], upstream = "back", anonymous = true }
dear = { path = "/dear", methods = ["GET"], upstream = "back", cost = "3" }
put = { path = "/echo", methods = ["PUT"], upstream = "back", cost = "2" }
free = { path = "/free", methods = ["GET"], upstream = "back", cost = "0" }
watched = { path = "/watched", methods = ["GET"], upstream = "back", shadow = true }
"""
"""Two accounts, one of which is soon refused; a path whose methods are two routes."""

KEYS = {
    tier: make_key(Environment.LIVE, bytes([number]) * 64) for number, tier in enumerate(("big", "small"))
}
"""Tier -> key of the account with its name."""

SETTLED = 12
"""Turns of the loop after which nothing is under way but what a test has to tell."""

NEWEST_ID = 18_446_744_073_709_551_615
"""Envoy numbers requests by 64 random bits."""


def check_message(
    key: str = "", path: str = "/echo", method: str = "GET", address: str = "192.0.2.1", *, fields: tuple[tuple[str, str], ...] = (),
    is_raw: bool = True, is_early: bool = False, number: int = 0, asked: str | None = None,
) -> bytes:  # fmt: skip
    """Return a call as Envoy writes it.

    Args:
        key: in ``X-API-Key``; empty: none.
        path: with its query.
        method: of the request.
        address: that it comes from.
        fields: other header fields.
        is_raw: with ``encode_raw_headers``.
        is_early: in its second: the time is a byte shorter.
        number: of the call; time, port, Envoy's number and the id follow from it.
        asked: id in place of that one; empty: none.
    """
    identifier = f"2f13c842-e919-42d0-8520-{number:012}" if asked is None else asked
    headers = (
        [("x-api-key", key)] * bool(key) + list(fields) + [("x-request-id", identifier)] * bool(identifier)
    )
    http = AttributeContext.HttpRequest(
        id=str(NEWEST_ID - number * 7_919), method=method, path=path, headers={} if is_raw else dict(headers),
        header_map=HeaderMap(headers=[HeaderValue(key=name, raw_value=value.encode()) for name, value in headers]) if is_raw else None,
    )  # fmt: skip
    source = Address(socket_address=SocketAddress(address=address))
    request = AttributeContext.Request(http=http)
    message = CheckRequest(
        attributes=AttributeContext(source=AttributeContext.Peer(address=source), request=request)
    ).SerializeToString(deterministic=True)
    nanoseconds = number * 7_919 % 2_000_000 + (3_000_000 if is_early else 300_000_000)
    return _with_port_and_time(message, 32_768 + number % 28_000, 1_795_187_045 + number, nanoseconds)


def _with_port_and_time(message: bytes, port: int, seconds: int, nanoseconds: int) -> bytes:
    """Return a message with the fields of Envoy's that ours leave out; a message within one that comes twice is merged."""
    source = _field(1, _field(1, _field(1, _number(3, port))))
    time = _field(4, _field(1, _number(1, seconds) + _number(2, nanoseconds)))
    return message + _field(1, source + time)


def _field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _number(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


class CheckStand:
    """Envoy, the service, a ledger that writes when it is told to."""

    def __init__(self, *, straight: bool) -> None:
        """Stand up; without the straight way every call goes the ordinary one."""
        self.clock = ManualClock(wall_ns=1_795_187_045_000_000_000, monotonic_ns=5_000_000_000)
        records = {key: self._record(tier, key) for tier, key in KEYS.items()}
        self.rows, self.ledger, self.memory = Rows(records), HeldLedger(), MemoryStore()
        self.remembered, self.told_of = list[bool](), list[Told]()
        self.finder = KeyFinder(self.rows, self.clock, note=self.remembered.append)
        self.gate = Gate(
            read_policy(POLICY, "policy.toml"), ProcessStore(self.memory, self.clock), self.ledger, self.finder, self.clock,
            EventSource(bytes(8)), durable=lambda: not self.ledger.failed,
        )  # fmt: skip
        desk = Desk(self.gate, self.finder, self.told_of.append)
        desk.random = Counted()  # type: ignore[assignment]
        self.service, self.straight = Authorization(desk), straight
        self.answers: dict[int, bytes] = {}
        """By stream."""
        self.begun, self.later, self.faults = 0, 0, list[int]()
        self._tasks, self._streams = set[asyncio.Task[None]](), 0

    def _record(self, tier: str, key: str) -> KeyRecord:
        digest = key_digest(PEPPER, key)
        return KeyRecord(
            f"key_{tier}", tier, tier, False, Environment.LIVE, "", (), "", (), 1, 0, 0, 0, "", 0, digest
        )

    # What a call sees of its connection

    def answer(self, stream: int, message: bytes) -> None:
        """Keep an answer."""
        assert stream not in self.answers
        self.answers[stream] = message

    def answer_later(self, stream: int, answering: Awaitable[bytes]) -> None:
        """Wait for an answer."""
        self.later += 1
        self._wait_for(stream, answering)

    def fail(self, stream: int) -> None:
        """Keep a fault."""
        self.faults.append(stream)

    def _wait_for(self, stream: int, answering: Awaitable[bytes]) -> None:
        async def waited() -> None:
            self.answer(stream, await answering)

        task = asyncio.ensure_future(waited())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # What a history tells

    async def ask(self, message: bytes) -> None:
        """Let Envoy ask."""
        self._streams += 2
        if self.straight and self.service.begin(message, self, self._streams):
            self.begun += 1
        else:
            self._wait_for(self._streams, self.service.decide(message))

    async def commit(self, fails: bool = False) -> None:
        """Let the ledger write, or fail to."""
        self.ledger.commit(fails=fails)

    async def revoke(self) -> None:
        """Revoke the big account's key, and let the worker read of it."""
        self.rows.revoke("big", self.clock.wall_ns() // 1_000)
        await self.finder.follow()

    async def reload(self, before: bytes = b"", after: bytes = b"") -> None:
        """Put a policy in place, the same or with a change."""
        self.gate.policy = read_policy(POLICY.replace(before, after) if before else POLICY, "policy.toml")

    async def overload(self, level: int) -> None:
        """Put the overload ladder at a level."""
        self.gate.overload.level = level

    async def wait(self, milliseconds: int) -> None:
        """Let time pass."""
        self.clock.advance_ns(milliseconds * 1_000_000)

    async def told(self, step: str, *how: Any) -> None:
        """Do one step of a history, up to where nothing happens by itself."""
        await getattr(self, step)(*how)
        for _ in range(SETTLED):
            await asyncio.sleep(0)

    def seen(self) -> dict[str, object]:
        """Return everything that is left to see."""
        now_us, wall_us = self.clock.monotonic_ns() // 1_000, self.clock.wall_ns() // 1_000
        limits = self.gate.policy.tiers["big"].limits
        subjects = ("big:live", "small:live", "ip:anonymous:192.0.2.1/32")
        return {
            "answers": self.answers,
            "faults": self.faults,
            "told": Counter(self.told_of),
            "events": self.ledger.events,
            "used keys": self.gate.used_keys,
            "accounts": [self.memory.status(one, limits, now_us, wall_us) for one in subjects],
            "months": self.memory.months,
            "activity": [
                (key, one.at_us, one.account, one.tier) for key, one in self.gate.activity._seen.items()
            ],
            "seconds": list(self.gate.activity._seconds),
            "tally": self.gate.tally._counts,
            "look-ups": (self.rows.looked_up, self.remembered),
        }

    async def close(self) -> None:
        """Let everybody have an answer."""
        self.ledger.commit(fails=False)
        for _ in range(SETTLED):
            await asyncio.sleep(0)
        assert not self._tasks
