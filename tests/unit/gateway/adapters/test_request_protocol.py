"""A client's connection: one request at a time, slow clients, unread bodies."""

import asyncio
import contextlib
import re
from pathlib import Path

import pytest
from tests.connections import everything, head_of, open_to, serving
from tests.servers.gateway_world import World
from tests.upstream import Peer, answer, policy_text, upstream
from tests.waiting import PATIENCE_S, until

from veritape.gateway.adapters import request_protocol
from veritape.gateway.doors import PER_GROUP


async def plain(peer: Peer) -> None:
    peer.writer.write(answer())


async def test_pipelined_requests_are_served_one_at_a_time(tmp_path: Path) -> None:
    """GW-552: the second request reaches the upstream after the first answer, and both are answered in order."""
    in_progress = most = 0

    async def slow(peer: Peer) -> None:
        nonlocal in_progress, most
        in_progress += 1
        most = max(most, in_progress)
        await asyncio.sleep(0.02)
        in_progress -= 1
        peer.writer.write(answer(200, peer.head.split()[1]))

    async with upstream(slow) as back, serving(World(tmp_path, policy_text(back.url))) as port:
        reader, writer = await open_to(port)
        requests = [b"POST /echo/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab" % n for n in range(5)]
        writer.write(b"\r\n".join(requests[:4]) + requests[4].replace(b"Host", b"Connection: close\r\nHost"))
        received = await everything(reader)
        assert [f"/echo/{n}".encode() in received for n in range(5)] == [True] * 5
        assert received.index(b"/echo/0") < received.index(b"/echo/4")
        assert (most, len(back.requests)) == (1, 5)
        writer.close()


async def test_the_same_head_again_is_the_same_request(tmp_path: Path) -> None:
    """GW-551, GW-503: alone, in pieces, or before another one; each has an id of its own; what was refused is refused again."""
    request = b"GET /echo?a=1 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"
    async with upstream(plain) as back, serving(World(tmp_path, policy_text(back.url))) as port:
        reader, writer = await open_to(port)
        heads = []
        for pieces in ([request], [request], [request[:9], request[9:]], [request + request], []):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            heads.append(await head_of(reader))
        assert len({line for head in heads for line in head.split(b"\r\n") if b"request-id" in line}) == 5
        assert {head.count(b"\r\n") for head in heads} == {heads[0].count(b"\r\n")}
        sent = [re.sub(rb"x-request-id: \w+", b"", peer.head) for peer in back.requests]
        assert sent == sent[:1] * 5
        for _ in range(2):
            reader, other = await open_to(port)
            other.write(request.replace(b"Host: a", b"Host: a\r\nHost: b"))
            assert (await everything(reader)).startswith(b"HTTP/1.1 400 ")
            other.close()
        writer.close()


async def test_half_a_head_after_a_known_one_is_nobody_s_request(tmp_path: Path) -> None:
    """GW-551, GW-404: what follows a request that was known is remembered as nothing, and nobody is served by another's head."""
    world = World(tmp_path, policy_text("http://127.0.0.1:1"))
    known = b"GET /health HTTP/1.1\r\nHost: a\r\nX-API-Key: %b\r\n\r\n" % world.key().encode()
    async with serving(world) as port:
        reader, writer = await open_to(port)
        for _ in range(3):
            writer.write(known)
            assert (await head_of(reader)).startswith(b"HTTP/1.1 200 ")
        writer.write(b"GET /hea")
        await writer.drain()
        other_reader, other = await open_to(port)
        other.write(b"GET /hea")
        await other.drain()
        writer.write(b"lth HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await head_of(reader)).startswith(b"HTTP/1.1 200 ")
        other.write(b"dless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await head_of(other_reader)).startswith(b"HTTP/1.1 404 ")
        assert [one.route for one in world.log] == ["builtin"] * 4 + ["none"]
        writer.close()
        other.close()


@pytest.mark.parametrize(
    ("octets", "upstream_sees"),
    [
        (b"GET /ec", 0),
        (b"GET /echo HTTP/1.1\r\nHost: a\r\nX-Slow", 0),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab", 1),
    ],
)
async def test_slow_senders_get_408(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, octets: bytes, upstream_sees: int
) -> None:
    """GW-553, GW-901: slow loris on line, header and body ends with 408 and a closed connection, not with patience."""
    monkeypatch.setattr("veritape.gateway.adapters.request_timer.HEAD_S", 0.2)
    monkeypatch.setattr("veritape.gateway.pace.SILENCE_S", 0.2)
    monkeypatch.setattr("veritape.gateway.pace.WINDOW_S", 0.2)
    async with upstream(plain) as back, serving(World(tmp_path, policy_text(back.url))) as port:
        reader, writer = await open_to(port)
        writer.write(octets)
        received = await everything(reader)
        assert received.startswith(b"HTTP/1.1 408 ")
        assert b'"reason":"request_timeout"' in received
        assert len(back.requests) <= upstream_sees
        writer.close()


async def test_a_denied_upload_sends_no_body(tmp_path: Path) -> None:
    """GW-555: 100 Continue comes only when the request was admitted; a denied one is closed."""
    world = World(tmp_path, policy_text("http://127.0.0.1:1"))
    async with serving(world) as port:
        reader, writer = await open_to(port)
        writer.write(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nX-API-Key: vt_live_x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
        )
        received = await everything(reader)
        assert received.startswith(b"HTTP/1.1 401 ")
        writer.close()


async def test_an_admitted_upload_is_asked_for(tmp_path: Path) -> None:
    """GW-555: 100 Continue, then the answer."""
    async with upstream(plain) as back, serving(World(tmp_path, policy_text(back.url))) as port:
        reader, writer = await open_to(port)
        writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert await head_of(reader) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await head_of(reader)).startswith(b"HTTP/1.1 200 ")
        assert back.requests[0].body == b"abc"
        writer.close()


async def test_a_small_unread_body_is_dropped_and_a_large_one_ends_the_connection(tmp_path: Path) -> None:
    """GW-555: up to 64 KiB the connection goes on; above it is closed after the answer could be read."""
    async with upstream(plain) as back, serving(World(tmp_path, policy_text(back.url))) as port:
        reader, writer = await open_to(port)
        denied = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
        writer.write(denied % 60_000)
        assert (await head_of(reader)).startswith(b"HTTP/1.1 404 ")
        writer.write(b"x" * 60_000 + b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await head_of(reader)).startswith(b"HTTP/1.1 200 ")
        writer.write(denied % 70_000 + b"x" * 5_000)
        assert (await head_of(reader)).startswith(b"HTTP/1.1 404 ")
        assert await everything(reader) == b""
        writer.close()


async def test_a_client_that_leaves_is_logged_and_its_upstream_is_cancelled(tmp_path: Path) -> None:
    """GW-554, GW-974: the target sees its connection close; the log says 499."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(peer: Peer) -> None:
        began.set()
        await peer.reader.read()
        ended.set()

    world = World(tmp_path, policy_text("http://127.0.0.1:1"))
    async with upstream(slow) as back:
        world.close()
        (tmp_path / "b").mkdir()
        world = World(tmp_path / "b", policy_text(back.url))
        async with serving(world) as port:
            _, writer = await open_to(port)
            writer.write(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.wait_for(began.wait(), PATIENCE_S)
            writer.close()
            await asyncio.wait_for(ended.wait(), PATIENCE_S)
            await until(lambda: world.log)
            assert world.log[-1].status == 499
            assert world.gateway.in_flight == 0


async def test_connections_beyond_the_bound_are_closed(tmp_path: Path) -> None:
    """GW-553: the next one of an address group is closed at once; the others go on."""
    async with serving(World(tmp_path)) as port:
        held = [await open_to(port) for _ in range(PER_GROUP)]
        reader, writer = await open_to(port)
        with contextlib.suppress(ConnectionError):
            assert await everything(reader) == b""
        held[0][1].write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await head_of(held[0][0])).startswith(b"HTTP/1.1 200 ")
        for _, one in [*held, (reader, writer)]:
            one.close()


async def refused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Ask once more; return the head of the answer."""
    writer.write(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
    return await head_of(reader)


async def test_who_asks_again_before_it_is_time_waits_in_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-381: the second refusal for load within a second; others are answered meanwhile, a third request is answered later."""
    monkeypatch.setattr(request_protocol, "HOLD_S", 3_600.0)
    async with upstream(plain) as back:
        world = World(tmp_path, policy_text(back.url))
        async with serving(world) as port:
            world.gateway.in_flight = world.gate.policy.in_flight_max
            held, other = await open_to(port), await open_to(port)
            assert [(await refused(*held))[:13] for _ in range(2)] == [b"HTTP/1.1 503 "] * 2
            held[1].write(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await refused(*other)).startswith(b"HTTP/1.1 503 ")
            world.gateway.in_flight = 0
            assert (await refused(*other)).startswith(b"HTTP/1.1 200 ")
            assert [peer.head[:9] for peer in back.requests] == [b"GET /echo"]
            waiting = asyncio.ensure_future(held[0].read(1))
            await refused(*other)
            assert not waiting.done()
            for _, writer in (held, other):
                writer.close()
            assert await asyncio.wait_for(waiting, PATIENCE_S) == b""


async def test_a_connection_that_waited_is_served_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-381: what it sent meanwhile is a request like any other."""
    monkeypatch.setattr(request_protocol, "HOLD_S", 0.2)
    async with upstream(plain) as back:
        world = World(tmp_path, policy_text(back.url))
        async with serving(world) as port:
            world.gateway.in_flight = world.gate.policy.in_flight_max
            reader, writer = await open_to(port)
            answers = [(await refused(reader, writer))[:13] for _ in range(6)]
            world.gateway.in_flight = 0
            answers.append((await refused(reader, writer))[:13])
            assert answers == [b"HTTP/1.1 503 "] * 6 + [b"HTTP/1.1 200 "]
            writer.close()


async def test_a_proxy_of_ours_may_always_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-381, GW-553: its connections carry many callers, of whom one came too soon."""
    monkeypatch.setattr(request_protocol, "HOLD_S", 3_600.0)
    text = policy_text("http://127.0.0.1:1").replace(b"[ip]\n", b'[ip]\ntrusted_proxies = ["127.0.0.1/32"]\n')
    world = World(tmp_path, text)
    async with serving(world) as port:
        world.gateway.in_flight = world.gate.policy.in_flight_max
        reader, writer = await open_to(port)
        assert [(await refused(reader, writer))[:13] for _ in range(4)] == [b"HTTP/1.1 503 "] * 4
        writer.close()
