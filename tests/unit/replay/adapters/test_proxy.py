"""The proxy's listener, seen by plain sockets."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.waiting import PATIENCE_S

from veritape.kernel.errors import UnavailableError
from veritape.replay.adapters.proxy import CHUNK_BYTES, Proxy
from veritape.replay.proxy import ESTABLISHED, HEAD_BYTES, Listener, ProxyReason

CONNECT = b"CONNECT ops.koreainvestment.com:21000 HTTP/1.1\r\n\r\n"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)
    writer.write(b"bye")
    writer.close()


class Harness:
    def __init__(self) -> None:
        self.refusals: list[ProxyReason] = []
        self.proxies: list[Proxy] = []

    async def open(self, port: int, head_seconds: float = 10, tunnels: int = 600) -> Proxy:
        ports = {Listener.REST: port, Listener.WEBSOCKET: port}
        proxy = Proxy(ports, self.refusals.append, head_seconds, tunnels)
        self.proxies.append(proxy)
        await proxy.start(0)
        return proxy


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    one = Harness()
    yield one
    for proxy in one.proxies:
        await proxy.stop()


@pytest.fixture
async def far_port() -> AsyncIterator[int]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def exchange(proxy: Proxy, data: bytes, *, end: bool = True) -> bytes:
    """Send bytes, end the sending side, return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(data)
    if end:
        writer.write_eof()
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    return answer


async def test_a_tunnel_passes_bytes_both_ways_until_both_sides_end(harness: Harness, far_port: int) -> None:
    """KIS-203: what follows the head arrives whole, in order; ending one direction leaves the other open."""
    payload = bytes(range(256)) * (3 * CHUNK_BYTES // 256)
    answer = await exchange(await harness.open(far_port), CONNECT + payload)
    assert answer == ESTABLISHED + payload + b"bye"
    assert harness.refusals == []


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", b"403", ProxyReason.FOREIGN_TARGET),
        (b"GET / HTTP/1.1\r\n\r\n", b"405", ProxyReason.NOT_CONNECT),
        (b"nonsense\r\n\r\n", b"400", ProxyReason.MALFORMED),
        (b"CONNECT " + b"x" * (2 * HEAD_BYTES) + b"\r\n\r\n", b"431", ProxyReason.TOO_LARGE),
    ],
)
async def test_a_refusal_is_answered_and_counted(
    harness: Harness, far_port: int, data: bytes, status: bytes, reason: ProxyReason
) -> None:
    """KIS-203, KIS-224: any other target gets 403 and is counted; hostile heads end with an answer."""
    answer = await exchange(await harness.open(far_port), data, end=False)
    assert answer.split()[1] == status
    assert harness.refusals == [reason]


async def test_a_head_that_does_not_come_is_given_up(harness: Harness, far_port: int) -> None:
    """KIS-224: slow headers end the connection, not the proxy."""
    proxy = await harness.open(far_port, head_seconds=0.01)
    assert (await exchange(proxy, b"CONN", end=False)).startswith(b"HTTP/1.1 408")
    assert harness.refusals == [ProxyReason.SLOW]


async def test_half_a_head_is_no_refusal_and_no_error(harness: Harness, far_port: int) -> None:
    """KIS-224: a client that leaves early is forgotten."""
    proxy = await harness.open(far_port)
    assert await exchange(proxy, b"CONNECT ops") == b""
    assert (await exchange(proxy, CONNECT + b"x")) == ESTABLISHED + b"xbye"


async def test_one_tunnel_too_many_is_refused(harness: Harness, far_port: int) -> None:
    """KIS-224: the number of connections is bounded."""
    proxy = await harness.open(far_port, tunnels=1)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(CONNECT)
    assert await reader.readexactly(len(ESTABLISHED)) == ESTABLISHED
    assert (await exchange(proxy, CONNECT, end=False)).startswith(b"HTTP/1.1 503")
    writer.close()


async def test_a_far_side_that_is_gone_ends_the_tunnel(harness: Harness) -> None:
    """KIS-224: no listener behind the target: the connection closes without an answer."""
    unused = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    await unused.wait_closed()
    assert await exchange(await harness.open(port), CONNECT, end=False) == b""


async def test_stopping_ends_open_tunnels(harness: Harness, far_port: int) -> None:
    """OB-971: the process ends within 5 s whoever is connected."""
    proxy = await harness.open(far_port)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(CONNECT)
    await reader.readexactly(len(ESTABLISHED))
    await proxy.stop()
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()


async def test_a_busy_port_is_named(harness: Harness, far_port: int) -> None:
    """OB-971: a busy port is one line and exit 1."""
    proxy = Proxy({}, harness.refusals.append)
    with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{far_port}: in use.*--proxy-port"):
        await proxy.start(far_port)
    await proxy.stop()
