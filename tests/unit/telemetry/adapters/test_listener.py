"""The listener under good and bad requests."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.telemetry.adapters.listener import CONNECTION_LIMIT, Address, Answer, Listener, respond

ROUTES = {
    "/small": lambda: Answer(b"small", "text/plain"),
    "/large": lambda: Answer(b"x" * 20_000, "text/plain"),
}


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listener = Listener(ROUTES, Address("127.0.0.1", 0))
    yield await listener.start()
    await listener.stop()


async def ask(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    response = await reader.read()
    writer.close()
    await writer.wait_closed()
    return parted(response)


def parted(response: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = response.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split(" ")[1]), dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n", 200),
        (b"GET /small?x=1 HTTP/1.0\r\n\r\n", 200),
        (b"GET /small HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", 200),
        (b"GET /other HTTP/1.1\r\n\r\n", 404),
        (b"POST /small HTTP/1.1\r\n\r\n", 405),
        (b"GET /small\r\n\r\n", 400),
        (b"GET /small HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 431),
    ],
    ids=["plain", "query", "body", "path", "method", "line", "header", "target"],
)
async def test_requests_are_answered(port: int, request_: bytes, status: int) -> None:
    """TL-100 and TL-920: 200, 404, 405 and 431; a query and a body are ignored."""
    assert (await ask(port, request_))[0] == status


async def test_another_method_names_the_allowed_one(port: int) -> None:
    """TL-100: 405 with Allow."""
    assert (await ask(port, b"DELETE /small HTTP/1.1\r\n\r\n"))[1]["Allow"] == "GET"


async def test_large_answers_are_compressed_when_accepted(port: int) -> None:
    """TL-110: gzip when accepted and over 16 KiB."""
    status, fields, body = await ask(port, b"GET /large HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n")
    assert (status, fields["Content-Encoding"]) == (200, "gzip")
    assert gzip.decompress(body) == b"x" * 20_000
    assert (await ask(port, b"GET /large HTTP/1.1\r\n\r\n"))[2] == b"x" * 20_000
    small = await ask(port, b"GET /small HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n")
    assert small[2] == b"small"


async def test_connections_are_bounded(port: int) -> None:
    """TL-100: over 32 connections 503, and the place is free again after one ends."""
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTION_LIMIT)]
    assert (await ask(port, b"GET /small HTTP/1.1\r\n\r\n"))[0] == 503
    for reader, writer in held:
        writer.write(b"GET /small HTTP/1.1\r\n\r\n")
        assert parted(await reader.read())[0] == 200
        writer.close()
        await writer.wait_closed()
    assert (await ask(port, b"GET /small HTTP/1.1\r\n\r\n"))[0] == 200


async def test_a_client_that_leaves_is_no_error(port: int) -> None:
    """TL-100: half a request and gone."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /sm")
    writer.close()
    await writer.wait_closed()
    assert (await ask(port, b"GET /small HTTP/1.1\r\n\r\n"))[0] == 200


async def test_stopping_gives_up_what_is_in_progress() -> None:
    """TL-100: a client that holds its connection does not hold the end of the process."""
    listener = Listener(ROUTES, Address("127.0.0.1", 0))
    reader, writer = await asyncio.open_connection("127.0.0.1", await listener.start())
    writer.write(b"GET /small HTTP/1.1\r\n")
    await writer.drain()
    while not listener._open:
        await asyncio.sleep(0)
    await listener.stop()
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    assert not listener._open


async def test_a_busy_port_is_one_line(port: int) -> None:
    """TL-920: names the setting, the address and what to do."""
    with pytest.raises(
        UnavailableError,
        match=f"cannot listen on 127.0.0.1:{port}: in use by .*: choose telemetry.listen, or stop it",
    ):
        await Listener(ROUTES, Address("127.0.0.1", port)).start()


@pytest.mark.parametrize(
    ("host", "allow"), [("192.0.2.1", ()), ("127.0.0.1", ("10.0.0.0/33",)), ("nowhere", ())]
)
def test_a_wide_listener_needs_an_allow_list(host: str, allow: tuple[str, ...]) -> None:
    """TL-180 and TL-920: refused at start, naming the settings."""
    with pytest.raises(MisuseError, match=r"telemetry\.listen"):
        Listener(ROUTES, Address(host, 0, allow))


async def test_peers_outside_the_allow_list_are_refused() -> None:
    """TL-180: only the listed blocks and loopback may ask."""
    listener = Listener(ROUTES, Address("127.0.0.1", 0, ("10.0.0.0/8",)))
    assert (await ask(await listener.start(), b"GET /small HTTP/1.1\r\n\r\n"))[0] == 200
    assert not listener._is_allowed("192.0.2.1")
    assert listener._is_allowed("10.1.2.3")
    await listener.stop()


@given(st.binary(max_size=200))
def test_any_head_is_answered(head: bytes) -> None:
    """TL-100: no bytes raise."""
    assert respond(ROUTES, head).startswith(b"HTTP/1.1 ")
