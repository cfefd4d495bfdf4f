"""Many requests over raw sockets: an open loop on a fixed schedule, and a flood (GW-852).

An open loop sends each request when it is due, whether or not others were answered; when no connection is free, it waits,
and its latency counts from when it was *due*. So a gateway that stands still for a second is seen by all the requests of
that second, not by one (coordinated omission). A flood sends the next request on every connection when the last was answered:
it finds what can be had at most.

A connection has one request under way at a time, so a generator never has more under way than connections: with few of them a peer is
at its capacity and not beyond it, and the surplus waits here. What was not answered at the end is status 0, and as slow as it has waited;
what of it never left the generator, because no connection was free, is counted apart: the peer never saw it.
"""

import asyncio
import contextlib
from array import array
from collections import Counter, deque
from http import HTTPStatus
from typing import Final, NamedTuple, cast

from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_upstream import announced_length
from veritape.kernel.clock import NANOSECONDS, Clock

CONNECTIONS: Final = 128
"""Connections: below the gateway's limit of 200 for one address group."""

PER_ADDRESS: Final = 150
"""Connections that come from one address: more come from further addresses of loopback, which the gateway takes for other clients."""

TICK_NS: Final = 1_000_000
"""The schedule is looked at so often; a request is never sent before it is due."""

PATIENCE_S: Final = 3.0
"""Seconds after the last request was due in which answers are waited for."""

WAITING_LIMIT: Final = 200_000
"""Requests that may wait for a free connection; the next one is not sent and counts as not answered."""

CEILING_SHARE: Final = 0.8
"""Largest share of the generator's own ceiling at which its figures are believed (GW-852)."""


NOTHING: Final["array[int]"] = array("q")
"""No latencies."""


class Tally(NamedTuple):
    """What came of a run."""

    statuses: Counter[int]
    """Status -> answers; 0: none came."""
    latencies_ns: "array[int]"
    """Of every request, from when it was due, ascending."""
    seconds: float
    """From the first request due to the last answer."""
    unsent: int = 0
    """Requests of status 0 that never left the generator."""
    in_time: int = 0
    """Answers of 200 that came while requests were still due."""
    served_ns: "array[int]" = NOTHING
    """Of every answer of 200, from when its request was sent, ascending."""

    def latency_ms(self, percent: int) -> float:
        """Return what so many of a hundred requests took at most, milliseconds."""
        return _percentile_ms(self.latencies_ns, percent)

    def served_ms(self, percent: int) -> float:
        """Return what so many of a hundred answers of 200 took at most from when their request was sent, milliseconds."""
        return _percentile_ms(self.served_ns, percent)

    @property
    def per_second(self) -> float:
        """Return answers of 200 a second."""
        return self.statuses[200] / self.seconds


def _percentile_ms(sorted_ns: "array[int]", percent: int) -> float:
    if not sorted_ns:
        return 0.0
    return sorted_ns[min(len(sorted_ns) - 1, len(sorted_ns) * percent // 100)] * 1_000 / NANOSECONDS


async def open_loop(
    target: Target, octets: bytes, rate: int, seconds: float, clock: Clock, connections: int = CONNECTIONS
) -> Tally:
    """Send the same request so often a second for so many seconds.

    Raises:
        OSError: nobody listens there.
    """
    run, total, planned = _Run(octets, clock), round(rate * seconds), 0
    await run.connect(target, connections)
    begun_ns = clock.monotonic_ns()
    run.until_ns = begun_ns + int(seconds * NANOSECONDS)
    while planned < total:
        due = min(total, (clock.monotonic_ns() - begun_ns) * rate // NANOSECONDS + 1)
        for number in range(planned, due):
            run.send(begun_ns + number * NANOSECONDS // rate)
        planned = due
        await clock.sleep_until(max(clock.monotonic_ns() + TICK_NS, begun_ns + planned * NANOSECONDS // rate))
    return await run.end(begun_ns)


async def flood(
    target: Target, octets: bytes, seconds: float, clock: Clock, connections: int = CONNECTIONS
) -> Tally:
    """Keep every connection busy with the same request for so many seconds.

    Raises:
        OSError: nobody listens there.
    """
    run = _Run(octets, clock)
    await run.connect(target, connections)
    begun_ns = clock.monotonic_ns()
    run.refill_until_ns = run.until_ns = begun_ns + int(seconds * NANOSECONDS)
    for _ in range(connections):
        run.send(begun_ns)
    await clock.sleep_until(run.refill_until_ns)
    return await run.end(begun_ns)


def status_of(octets: bytes) -> int | None:
    """Return the status of an answer, None while it is not whole.

    Raises:
        ValueError: it is no answer of HTTP/1.1.
    """
    end = octets.find(b"\r\n\r\n")
    if end < 0 or len(octets) < end + 4 + announced_length(octets[:end]):
        return None
    if not octets.startswith(b"HTTP/1.1 "):
        raise ValueError("no answer of HTTP/1.1")
    return int(octets[9:12])


class _Run:
    """The connections of a run and what came back."""

    def __init__(self, octets: bytes, clock: Clock) -> None:
        self.octets, self.clock = octets, clock
        self.idle: list[_Line] = []
        self._lines: set[_Line] = set()
        self._waiting: deque[int] = deque()
        self._statuses: Counter[int] = Counter()
        self._latencies_ns, self._served_ns = array("q"), array("q")
        self._unsent = self._in_time = 0
        self._last_ns = 0
        self._quiet = asyncio.Event()
        self._ending = False
        self._target: Target | None = None
        self._reconnecting: set[asyncio.Task[None]] = set()
        self.refill_until_ns = 0
        """Until then an answered connection sends again at once."""
        self.until_ns = 0
        """Until then requests are due."""

    async def connect(self, target: Target, connections: int) -> None:
        """Open the connections."""
        self._target = target
        await asyncio.gather(*(self._open(number) for number in range(connections)))

    def send(self, due_ns: int) -> None:
        """Send a request now, or when a connection is free."""
        if self.idle:
            self.idle.pop().send(due_ns)
        elif len(self._waiting) < WAITING_LIMIT:
            self._waiting.append(due_ns)
        else:
            self._unsent += 1
            self._note(0, due_ns)

    def answered(self, line: "_Line", status: int, due_ns: int, *, last: bool) -> None:
        """Take an answer; give the connection its next request, unless the peer said that this was its last."""
        now_ns = self._note(status, due_ns)
        if status == HTTPStatus.OK:
            self._served_ns.append(now_ns - line.sent_ns)
            self._in_time += now_ns <= self.until_ns
        if last:
            line.close()
        elif self._waiting:
            line.send(self._waiting.popleft())
        elif now_ns < self.refill_until_ns:
            line.send(now_ns)
        else:
            self.idle.append(line)
            if self._ending and self.busy == 0:
                self._quiet.set()

    def lost(self, line: "_Line", due_ns: int) -> None:
        """Take the end of a connection; its request was not answered, another connection is opened."""
        self._lines.discard(line)
        if due_ns:
            self._note(0, due_ns)
        elif line in self.idle:
            self.idle.remove(line)
        if not self._ending:
            task = asyncio.get_running_loop().create_task(self._reopen(line.number))
            self._reconnecting.add(task)
            task.add_done_callback(self._reconnecting.discard)
        elif self.busy == 0:
            self._quiet.set()

    @property
    def busy(self) -> int:
        """Return how many requests are under way or wait."""
        return len(self._waiting) + sum(line.due_ns > 0 for line in self._lines)

    async def end(self, begun_ns: int) -> Tally:
        """Wait for what is under way, not for ever; close, and return what came."""
        self._ending = True
        if self.busy:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), PATIENCE_S)
        self._unsent += len(self._waiting)
        for due_ns in (*self._waiting, *(line.due_ns for line in self._lines if line.due_ns)):
            self._note(0, due_ns)
        for line in list(self._lines):
            line.due_ns = 0
            line.close()
        for task in self._reconnecting:
            task.cancel()
        await asyncio.gather(*self._reconnecting, return_exceptions=True)
        latencies_ns, served_ns = (array("q", sorted(one)) for one in (self._latencies_ns, self._served_ns))
        seconds = max(1, self._last_ns - begun_ns) / NANOSECONDS
        return Tally(self._statuses, latencies_ns, seconds, self._unsent, self._in_time, served_ns)

    def _note(self, status: int, due_ns: int) -> int:
        self._last_ns = now_ns = self.clock.monotonic_ns()
        self._statuses[status] += 1
        self._latencies_ns.append(now_ns - due_ns)
        return now_ns

    async def _open(self, number: int) -> None:
        if self._target is None:
            return
        loop, client = asyncio.get_running_loop(), number // PER_ADDRESS
        source = (f"127.0.1.{client}", 0) if client else None
        _, line = await loop.create_connection(lambda: _Line(self, number), *self._target, local_addr=source)
        self._lines.add(line)
        if self._waiting:
            line.send(self._waiting.popleft())
        else:
            self.idle.append(line)

    async def _reopen(self, number: int) -> None:
        """Open a connection in place of a lost one, as soon as the peer accepts it."""
        while True:
            try:
                return await self._open(number)
            except OSError:
                await self.clock.sleep_until(self.clock.monotonic_ns() + NANOSECONDS // 10)


class _Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, run: _Run, number: int) -> None:
        self._run, self._partial, self.number = run, b"", number
        self._transport: asyncio.WriteTransport | None = None
        self.due_ns = 0
        """When the request under way was due; 0: there is none."""
        self.sent_ns = 0
        """When it was sent."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, due_ns: int) -> None:
        """Send the request."""
        self.due_ns, self.sent_ns = due_ns, self._run.clock.monotonic_ns()
        if self._transport is not None:
            self._transport.write(self._run.octets)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the answer."""
        if self._partial:
            data = self._partial + data
        try:
            status = status_of(data)
        except ValueError:
            self.close()
            return
        if status is None:
            self._partial = data
            return
        self._partial, due_ns, self.due_ns = b"", self.due_ns, 0
        self._run.answered(self, status, due_ns, last=b"onnection: close" in data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the run."""
        del exc
        due_ns, self.due_ns = self.due_ns, 0
        self._run.lost(self, due_ns)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()
