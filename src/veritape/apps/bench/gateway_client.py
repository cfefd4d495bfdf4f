"""Load on a gateway over raw sockets: closed loops on connections that stay, each answer timed and counted (GW-852)."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from veritape.kernel.clock import NANOSECONDS, Clock

ANSWER_S: Final = 10.0
"""Seconds after which an answer counts as none."""

UNAVAILABLE: Final = 503
"""The status whose reason is read."""


class Target(NamedTuple):
    """Where the load goes."""

    host: str
    port: int


class Shot(NamedTuple):
    """One request to send."""

    label: str
    """Whose it is: an account, or empty."""
    octets: bytes
    """The whole request."""
    due_ns: int = 0
    """Not before this reading of the monotonic clock; 0: at once."""


class Hit(NamedTuple):
    """One answer."""

    label: str
    status: int
    """0: none came."""
    retry_after: str
    sent_ns: int
    done_ns: int
    reason: str = ""
    """Why a 503 was answered."""
    quota_state: str = ""
    """Who decided when it was not the shared store: ``local``, ``open`` or ``lease``."""

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return (self.done_ns - self.sent_ns) / NANOSECONDS


def request_bytes(method: str, path: str, key: str = "", body: bytes = b"") -> bytes:
    """Return a request as it goes on the wire."""
    credential = f"X-API-Key: {key}\r\n" if key else ""
    length = f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{credential}{length}\r\n".encode() + body


async def closed_loops(
    target: Target, loops: Sequence[Iterator[Shot]], clock: Clock, think_s: float = 0.0
) -> list[Hit]:
    """Send every loop's shots on a connection of its own, the next when the last was answered.

    Args:
        target: the gateway.
        loops: iterators, which may be one and the same: then the connections share its shots.
        clock: the machine's.
        think_s: pause after each answer.
    """
    hits: list[Hit] = []
    await asyncio.gather(*(_loop(target, shots, clock, think_s, hits) for shots in loops))
    return hits


async def _loop(target: Target, shots: Iterator[Shot], clock: Clock, think_s: float, hits: list[Hit]) -> None:
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for shot in shots:
        await clock.sleep_until(shot.due_ns)
        sent_ns = clock.monotonic_ns()
        try:
            if connection is None:
                connection = await asyncio.open_connection(target.host, target.port)
            connection[1].write(shot.octets)
            answer = await asyncio.wait_for(_answer(connection[0]), ANSWER_S)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            answer = _Answer()
            if connection is not None:
                connection[1].close()
            connection = None
        now_ns = clock.monotonic_ns()
        hits.append(
            Hit(shot.label, answer.status, answer.retry_after, sent_ns, now_ns, answer.reason, answer.state)
        )
        if think_s:
            await clock.sleep_until(clock.monotonic_ns() + int(think_s * NANOSECONDS))
    if connection is not None:
        connection[1].close()


class _Answer(NamedTuple):
    status: int = 0
    retry_after: str = ""
    reason: str = ""
    state: str = ""


async def _answer(reader: asyncio.StreamReader) -> _Answer:
    """Read one answer, with the reason of a 503."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    fields = {name.lower(): value.strip().decode("latin-1") for name, _, value in lines}
    status = int(head[9:12])
    body = await reader.readexactly(int(fields.get(b"content-length", "0")))
    reason = str(json.loads(body)["reason"]) if status == UNAVAILABLE and body else ""
    return _Answer(status, fields.get(b"retry-after", ""), reason, fields.get(b"quota-state", ""))
