"""Our gateway and its Redis as processes of their own, on loopback, for load and for benchmarks."""

import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from veritape.apps.bench.gateway_client import Target, request_bytes
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError

START_S: Final = 20
"""Seconds within which a server of ours answers."""


WORKERS: Final = "2"
"""Workers of a gateway that has the specification's machine of two cores for itself."""

GATEWAY_LINE: Final = re.compile(r"gateway on http://([^:]+):(\d+)")
"""How the gateway says where it listens."""

RATE_LIMITS_LINE: Final = re.compile(r"rate limits for Envoy on ([^:]+):(\d+)")
"""How ``serve --rls`` says it."""


class Server(NamedTuple):
    """A server that runs."""

    target: Target
    pid: int


class RedisOnSocket(NamedTuple):
    """A Redis that runs."""

    socket: Path
    pid: int


@contextlib.asynccontextmanager
async def redis_on_a_socket(folder: Path, clock: Clock) -> AsyncIterator[RedisOnSocket]:
    """Run a Redis with a log that is synced each second.

    Raises:
        UnavailableError: ``redis-server`` is missing or does not start.
    """
    program, socket = shutil.which("redis-server"), folder / "redis.sock"
    if program is None:
        raise UnavailableError("redis-server is missing: apt-get install redis-server")
    command = [
        program, "--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", "",
        "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603, ASYNC220 - fixed words
    try:
        for _ in range(START_S * 50):
            if socket.exists():
                break
            await clock.sleep_until(clock.monotonic_ns() + NANOSECONDS // 50)
        else:
            raise UnavailableError("redis-server did not start")
        yield RedisOnSocket(socket, process.pid)
    finally:
        _end(process)


@contextlib.asynccontextmanager
async def gateway_server(config: Path, clock: Clock, *options: str) -> AsyncIterator[Server]:
    """Run a gateway on a free port until it is not needed any more; it is ready when it is yielded.

    Raises:
        UnavailableError: it does not start.
    """
    async with _serving(GATEWAY_LINE, config, *options) as server:
        await _ready(server.target, clock)
        yield server


@contextlib.asynccontextmanager
async def rate_limit_server(config: Path) -> AsyncIterator[Server]:
    """Run our services for Envoy on a free port until they are not needed any more.

    Raises:
        UnavailableError: they do not start.
    """
    async with _serving(RATE_LIMITS_LINE, config, "--rls") as server:
        yield server


@contextlib.asynccontextmanager
async def _serving(line: re.Pattern[str], config: Path, *options: str) -> AsyncIterator[Server]:
    process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own command, at once
        [sys.executable, "-m", "veritape", "serve", "--config", str(config), "--port", "0", *options],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Server(await asyncio.to_thread(_address, process, line), process.pid)
    finally:
        _end(process)


def _address(gateway: "subprocess.Popen[str]", pattern: re.Pattern[str]) -> Target:
    """Return where a server of ours listens, by the line that says so."""
    for line in gateway.stdout or ():
        if found := pattern.match(line):
            return Target(found[1], int(found[2]))
    raise UnavailableError("the gateway did not start")


async def _ready(target: Target, clock: Clock) -> None:
    for _ in range(START_S * 20):
        reader, writer = await asyncio.open_connection(*target)
        writer.write(request_bytes("GET", "/ready"))
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        if head.startswith(b"HTTP/1.1 200"):
            return
        await clock.sleep_until(clock.monotonic_ns() + NANOSECONDS // 20)
    raise UnavailableError("the gateway is not ready")


def _end(process: "subprocess.Popen[Any]") -> None:
    process.terminate()
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
