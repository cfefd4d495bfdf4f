"""The captures of Binance spot served as the venue serves them: combined streams and REST, with faults on demand.

It plays the messages of the captures in order while somebody listens. What is told to be lost is not sent, but the REST side
knows it, as the venue's does. Everything listens on loopback; nothing here talks to the internet.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import parse_qs

from aiohttp import WSMsgType, web
from tests.binance import FIRST, FIRST_ID, SECOND, Captured, Venue, captured

from veritape.kernel.clock import Clock
from veritape.wire.binance.rest import ENDPOINTS, WEIGHT_HEADER

WEIGHTS = {endpoint.path: endpoint.weight for endpoint in ENDPOINTS}
EVERYTHING = b"everything was sent"
"""Ping after the last message."""

TIMES = {"E", "T", "startTime", "endTime", "time"}
"""Fields with milliseconds."""


@dataclass
class Faults:
    """What goes wrong."""

    lost: frozenset[int] = frozenset()
    """Places of messages that are never sent."""
    disconnects: dict[int, int] = field(default_factory=dict)
    """Place at which the connection is closed, as after 24 hours -> messages that pass before the next one is open."""
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Statuses and headers that the next REST calls get."""
    garbled: frozenset[int] = frozenset()
    """Places of messages that are sent cut in half."""
    until: int | None = None
    """Place from which nothing happens any more; None for the end of the captures."""


class BinanceServer:
    """One venue; messages begin with the first listener."""

    def __init__(
        self, venue: Venue, faults: Faults, clock: Clock | None = None, shift_ms: int = 0, *days: str
    ) -> None:
        self.venue = venue
        self.faults = faults
        self._clock = clock
        self._shift_ms = shift_ms
        self.messages: list[Captured] = [
            line for day in days or (FIRST, SECOND) for line in captured(day) if line.stream != "snapshot"
        ]
        self.place = 0
        """Messages that have happened."""
        self.calls: list[tuple[str, dict[str, str], int]] = []
        """(path, parameters, status) of every REST call."""
        self.connections = 0
        self.pongs = 0
        self.ended = asyncio.Event()
        """Set once every message has happened and the listener has read them: it answers a ping sent after them."""
        venue.until_id = FIRST_ID - 1
        application = web.Application()
        application.router.add_get("/stream", self._stream)
        application.router.add_get("/{path:.*}", self._rest)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on loopback."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close everything."""
        await self._runner.cleanup()

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        self.connections += 1
        names = set(request.query["streams"].split("/"))
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        reading = asyncio.create_task(self._read(socket))
        try:
            await socket.ping(b"are you there")
            await self._play(socket, names)
            if self.place >= self._end:
                await socket.ping(EVERYTHING)
                await reading
            await socket.close()
        finally:
            reading.cancel()
        return socket

    async def _read(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            self.pongs += message.type is WSMsgType.PONG and message.data == b"are you there"
            if message.type is WSMsgType.PONG and message.data == EVERYTHING:
                self.ended.set()

    async def _play(self, socket: web.WebSocketResponse, names: set[str]) -> None:
        """Send what happens until the connection is to end or everything has happened."""
        while self.place < self._end and not socket.closed:
            place, line = self.place, self.messages[self.place]
            if place in self.faults.disconnects:
                self._pass(self.faults.disconnects.pop(place))
                return
            if self._clock is not None:
                left_ns = line.received_ns - self._clock.wall_ns()
                await self._clock.sleep_until(self._clock.monotonic_ns() + left_ns)
            self._pass(1)
            if place in self.faults.lost or f"btcusdt@{line.stream}" not in names:
                continue
            data = self._shifted(line.data)
            await socket.send_str(data[: len(data) // 2] if place in self.faults.garbled else data)

    @property
    def _end(self) -> int:
        return len(self.messages) if self.faults.until is None else self.faults.until

    def _pass(self, messages: int) -> None:
        for line in self.messages[self.place : self.place + messages]:
            if line.stream == "trade":
                self.venue.until_id = json.loads(line.data)["data"]["t"]
        self.place += messages

    async def _rest(self, request: web.Request) -> web.Response:
        path, parameters = (
            request.path,
            {name: values[0] for name, values in parse_qs(request.query_string).items()},
        )
        headers = {WEIGHT_HEADER: str(WEIGHTS.get(path, 1))}
        if self.faults.refusals:
            status, more = self.faults.refusals.pop(0)
            self.calls.append((path, parameters, status))
            return web.json_response({"code": -1003, "msg": "Too many requests"}, status=status, headers=more)
        status, body = self.venue.answer(path, self._unshifted(parameters))
        self.calls.append((path, parameters, status))
        return web.Response(status=status, body=self._shifted(body).encode(), headers=headers)

    def _shifted(self, data: bytes) -> str:
        if not self._shift_ms:
            return data.decode()
        return json.dumps(self._move(json.loads(data)), separators=(",", ":"))

    def _move(self, value: object) -> object:
        if isinstance(value, dict):
            return {
                name: one + self._shift_ms if name in TIMES and isinstance(one, int) else self._move(one)
                for name, one in value.items()
            }
        if isinstance(value, list):  # a bar begins and ends with times
            bar = len(value) == 12 and isinstance(value[0], int)
            return [
                one + self._shift_ms if bar and place in {0, 6} else self._move(one)
                for place, one in enumerate(value)
            ]
        return value

    def _unshifted(self, parameters: Mapping[str, str]) -> dict[str, str]:
        return {
            name: str(int(text) - self._shift_ms) if name in TIMES else text
            for name, text in parameters.items()
        }


def trade_places(server: BinanceServer) -> list[int]:
    """Return the places of the trades among all messages."""
    return [place for place, line in zip(count(), server.messages, strict=False) if line.stream == "trade"]


async def main() -> None:
    """Serve the captures moved to the present, until the process is ended: for the tests of whole processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lost", default="")
    parser.add_argument("--days", default=f"{FIRST},{SECOND}")
    options = parser.parse_args()
    lost = frozenset(int(place) for place in options.lost.split(",") if place)
    shift_ms = time.time_ns() // 10**6 - captured(FIRST)[0].received_ns // 10**6  # noqa: TID251 - a program of its own
    server = BinanceServer(Venue(), Faults(lost=lost), None, shift_ms, *options.days.split(","))
    await server.start()
    print(f"listening on {server.port}", flush=True)  # noqa: T201 - as above
    await server.ended.wait()
    print("everything has happened", flush=True)  # noqa: T201 - as above
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
