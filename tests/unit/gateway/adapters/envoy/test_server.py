"""The gRPC server, called by grpcio's own client."""

import asyncio
from pathlib import Path

import grpc
import pytest
from tests import deciding
from tests.http2_client import OPENING, call

from veritape.gateway.adapters.envoy.messages_pb2 import (
    CheckRequest,
    CheckResponse,
    RateLimitRequest,
    RateLimitResponse,
)
from veritape.gateway.adapters.envoy.server import (
    AUTHORIZATION_SERVICE,
    LIMITS_SERVICE,
    serving,
    serving_methods,
)
from veritape.gateway.usage_metrics import LetThrough
from veritape.kernel.addresses import Address
from veritape.kernel.errors import UnavailableError

HERE = Address("127.0.0.1", 0)
METHOD = "/service/method"


async def _echo(message: bytes) -> bytes:
    return message


async def _twice(message: bytes) -> bytes:
    await asyncio.sleep(0)
    return message * 2


async def _fault(message: bytes) -> bytes:
    raise LookupError(message)


async def test_both_services_answer_under_envoy_s_names(tmp_path: Path) -> None:
    """GW-611, GW-612: on one port; a port that is taken is named."""
    world = deciding.world(tmp_path)
    desk, counted = deciding.desk(world), list[LetThrough]()
    async with (
        serving(desk, HERE, 0, counted.append) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        limit = channel.unary_unary(
            f"/{LIMITS_SERVICE}/ShouldRateLimit",
            RateLimitRequest.SerializeToString,
            RateLimitResponse.FromString,
        )
        assert (await limit(RateLimitRequest(domain="veritape"))).overall_code == RateLimitResponse.OK
        assert counted == []
        await limit(RateLimitRequest(domain="another"))
        assert counted == [LetThrough.DOMAIN]
        check = channel.unary_unary(
            f"/{AUTHORIZATION_SERVICE}/Check", CheckRequest.SerializeToString, CheckResponse.FromString
        )
        assert (await check(CheckRequest())).denied_response.status.code == 404
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _ask(channel, b"\xff\xff", f"/{AUTHORIZATION_SERVICE}/Check")
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        with pytest.raises(UnavailableError, match="cannot listen"):
            async with serving(desk, Address("127.0.0.1", port), 0, counted.append):
                pass
    world.close()


async def test_many_calls_at_a_time_each_get_their_own_answer() -> None:
    """GW-611: of all lengths, up to several frames each way, on one connection of an unmodified client."""
    methods = {METHOD.encode(): _twice}
    async with (
        serving_methods(methods, HERE, 5) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        asked = [bytes([number % 251]) * (number * 97 % 3_000) for number in range(300)]
        asked += [bytes(100_000), b"", bytes(256 * 1_024)]
        assert await asyncio.gather(*(_ask(channel, one) for one in asked)) == [
            message * 2 for message in asked
        ]


async def test_errors_of_a_call_are_those_of_grpc(caplog: pytest.LogCaptureFixture) -> None:
    """GW-611: no such method, a message too long, a fault of ours; the next call is answered all the same."""
    methods = {METHOD.encode(): _echo, b"/service/fault": _fault}
    async with (
        serving_methods(methods, HERE, 5) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        for path, message, code in (
            ("/service/nothing", b"", grpc.StatusCode.UNIMPLEMENTED),
            ("/service/fault", b"", grpc.StatusCode.INTERNAL),
            (METHOD, bytes(256 * 1_024 + 1), grpc.StatusCode.RESOURCE_EXHAUSTED),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _ask(channel, message, path)
            assert caught.value.code() is code
        assert await _ask(channel, b"on") == b"on"
    assert "call not answered" in caplog.text


async def test_calls_in_progress_are_finished_at_the_end() -> None:
    """GW-611, GW-558: a client hears that we leave, gets what it waits for, and the port is free."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(message: bytes) -> bytes:
        begun.set()
        await go_on.wait()
        return message

    server = serving_methods({METHOD.encode(): slow}, HERE, 60)
    port = await server.__aenter__()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = asyncio.ensure_future(_ask(channel, b"late"))
        await begun.wait()
        leaving = asyncio.ensure_future(server.__aexit__(None, None, None))
        with pytest.raises(OSError, match="Connect"):
            await _connect_until_refused(port)
        assert not leaving.done()
        go_on.set()
        assert await answer == b"late"
        await leaving


async def test_calls_that_do_not_end_are_cut() -> None:
    """GW-611: after the time that they have; a peer that does not answer our PING is not waited for either."""

    async def never(message: bytes) -> bytes:
        await asyncio.Event().wait()
        return message

    async with serving_methods({METHOD.encode(): never}, HERE, 0.01) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(OPENING + call(1, b"a"))
        assert await reader.read(9)
    assert b"leaving!" in await reader.read()
    writer.close()


async def test_who_does_not_speak_http2_is_told_and_closed() -> None:
    """GW-901: a client of HTTP/1 gets GOAWAY and the end; one that leaves half way costs nothing."""
    async with serving_methods({METHOD.encode(): _echo}, HERE, 5) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"\x07\x00\x00\x00\x00\x00" in await reader.read()
        writer.close()
        _, half = await asyncio.open_connection("127.0.0.1", port)
        half.write(OPENING + call(1, b"a")[:-1])
        half.close()
        await half.wait_closed()


async def test_a_client_that_does_not_read_is_not_read_from() -> None:
    """GW-908: what waits for it is bounded; when it reads again, every call is answered."""
    calls = 4_000
    async with serving_methods({METHOD.encode(): _echo}, HERE, 5) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)
        ping = bytes.fromhex("000008060000000000") + b"12345678"
        writer.write(OPENING)
        for _ in range(200):
            writer.write(ping * calls)
        found = 0
        while found < 200 * calls * len(ping):
            found += len(await reader.read(1 << 20))
        writer.close()


async def _connect_until_refused(port: int) -> None:
    """Connect until the listener is closed."""
    while True:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()


async def _ask(channel: grpc.aio.Channel, message: bytes, path: str = METHOD) -> bytes:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
    return await method(message)
