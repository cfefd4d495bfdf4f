"""One request on a connection: what becomes of it, and of its charge, when its bytes turn out malformed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.connections import everything, head_of, open_to, serving
from tests.servers.gateway_world import SYMBOL, World
from tests.upstream import Peer, answer, policy_text, upstream
from tests.waiting import PATIENCE_S, until

from veritape.gateway.adapters.client import Client, Receive, Scope, Send
from veritape.gateway.adapters.client_line import Ended, Head, Straight
from veritape.gateway.adapters.flow import Flow
from veritape.gateway.adapters.server import serve_beside
from veritape.gateway.adapters.turn import Turn
from veritape.gateway.answers import Call
from veritape.kernel.addresses import Address
from veritape.kernel.listeners import bind

POST = b"POST /echo HTTP/1.1\r\nHost: a\r\nX-API-Key: %b\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


async def plain(peer: Peer) -> None:
    peer.writer.write(answer())


def used(world: World) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Return what the ledger and the counter say of the month."""
    return world.ledger.month_sums("2026-11"), world.memory.months


@pytest.mark.parametrize(
    ("octets", "status", "reason"),
    [
        (CHUNKED + b"2\r\nab\r\nzz\r\n", 400, "bad_request"),
        (CHUNKED + b"2;" + b"x" * 300 + b"\r\nab\r\n", 400, "bad_request"),
        (CHUNKED + b"5dc\r\n" + b"x" * 1_500 + b"\r\n", 413, "body_too_large"),
        (POST + b"Content-Length: 9\r\n\r\nab", 408, "request_timeout"),
    ],
)
async def test_a_body_that_turns_out_malformed_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, octets: bytes, status: int, reason: str
) -> None:
    """GW-507, GW-216, GW-661: admitted, then refused: the month's units are back before the answer, which is logged once; no whole request went on."""
    if status == 408:
        monkeypatch.setattr("veritape.gateway.pace.SILENCE_S", 1.0)
    async with upstream(plain) as back:
        world = World(tmp_path, policy_text(back.url, route='body_max_kib = 1\nrefund = "none"'))
        key = world.key().encode()
        async with serving(world) as port:
            reader, writer = await open_to(port)
            head, _, piece = octets.partition(b"\r\n\r\n")
            writer.write(head % key + b"\r\n\r\n")
            await until(lambda: back.connections or status == 408)  # who is silent is refused when time is up
            writer.write(piece)
            received = await everything(reader)
            assert received.startswith(b"HTTP/1.1 %d " % status), received
            assert f'"reason":"{reason}"'.encode() in received
            assert b"connection: close" in received.lower()
            assert used(world) == ({"acme:live": 0}, {("acme:live", "2026-11"): 0})
            (logged,) = world.log
            assert (logged.route, logged.status, logged.reason) == ("echo", status, reason)
            assert (logged.units_mu, logged.charged_mu, logged.refunded_mu) == (0, 1_000, 1_000)
            assert back.requests == []
            writer.close()


async def test_a_malformed_rest_after_the_answer_began_ends_the_connection(tmp_path: Path) -> None:
    """GW-216, GW-507: the upstream has answered, so the charge stays; half of its answer is never taken for a whole one."""

    async def early(peer: Peer) -> None:
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")

    async with upstream(early) as back:
        back.reads_bodies = False
        world = World(tmp_path, policy_text(back.url))
        key = world.key().encode()
        async with serving(world) as port:
            reader, writer = await open_to(port)
            writer.write(CHUNKED % key + b"2\r\nab\r\n")
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).startswith(
                b"HTTP/1.1 200 "
            )
            writer.write(b"zz\r\n")
            with contextlib.suppress(ConnectionError):
                assert await everything(reader) in {b"", b"ab"}
            await until(lambda: world.log)
            assert used(world)[0] == {"acme:live": 1_000}
            writer.close()


async def test_a_malformed_body_of_a_page_costs_nothing(tmp_path: Path) -> None:
    """GW-507: also where the answer is made here and the body is read by nobody."""
    world = World(tmp_path)
    key = world.key().encode()
    target = f"/v1/completeness?day=20131007&symbol={SYMBOL}".encode()
    async with serving(world) as port:
        reader, writer = await open_to(port)
        writer.write(
            b"GET %b HTTP/1.1\r\nHost: a\r\nX-API-Key: %b\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
            % (target, key)
        )
        received = await everything(reader)
        assert received.startswith(b"HTTP/1.1 400 "), received
        assert sum(used(world)[0].values()) == 0
        assert [one.reason for one in world.log] == ["bad_request"]
        writer.close()


async def test_what_comes_malformed_with_its_head_does_nothing(tmp_path: Path) -> None:
    """GW-507, GW-501: refused before any step: no charge and no refund, no page, not even that of ``/health``."""
    async with upstream(plain) as back:
        world = World(tmp_path, policy_text(back.url))
        key = world.key().encode()
        async with serving(world) as port:
            for octets in (CHUNKED, CHUNKED.replace(b"POST /echo", b"GET /health")):
                reader, writer = await open_to(port)
                writer.write(octets % key + b"zz\r\n")
                assert (await everything(reader)).startswith(b"HTTP/1.1 400 ")
                writer.close()
            assert used(world) == ({}, {})
            assert (back.connections, [one.status for one in world.log]) == (0, [400, 400])


async def test_a_client_that_leaves_has_paid(tmp_path: Path) -> None:
    """GW-554, GW-507: its request was sound and on its way; 499 in the log."""
    began = asyncio.Event()

    async def slow(peer: Peer) -> None:
        began.set()
        await peer.reader.read()

    async with upstream(slow) as back:
        world = World(tmp_path, policy_text(back.url))
        key = world.key().encode()
        async with serving(world) as port:
            _, writer = await open_to(port)
            writer.write(POST % key + b"Content-Length: 0\r\n\r\n")
            await asyncio.wait_for(began.wait(), PATIENCE_S)
            writer.close()
            await until(lambda: world.log)
            assert (world.log[0].status, world.log[0].units_mu) == (499, 1_000)
            assert used(world)[0] == {"acme:live": 1_000}


async def test_http_1_0_gets_no_chunks(tmp_path: Path) -> None:
    """GW-554: an answer of unknown length ends with the connection."""

    async def chunks(peer: Peer) -> None:
        peer.writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        )

    async with upstream(chunks) as back, serving(World(tmp_path, policy_text(back.url))) as port:
        reader, writer = await open_to(port)
        writer.write(b"GET /echo HTTP/1.0\r\n\r\n")
        head, _, body = (await everything(reader)).partition(b"\r\n\r\n")
        assert (body, b"chunked" in head.lower()) == (b"abc", False)
        writer.close()


async def test_a_cut_answer_is_cut_for_the_client_too(tmp_path: Path) -> None:
    """GW-582: a client never takes half an answer for a whole one."""

    async def cut(peer: Peer) -> None:
        peer.writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await peer.writer.drain()
        await asyncio.sleep(0.05)
        peer.writer.close()

    async with upstream(cut) as back, serving(World(tmp_path, policy_text(back.url))) as port:
        reader, writer = await open_to(port)
        writer.write(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        with contextlib.suppress(ConnectionError):
            while piece := await asyncio.wait_for(reader.read(1_000), PATIENCE_S):
                received += piece
        assert not received.endswith(b"0\r\n\r\n")
        writer.close()


async def test_who_acts_on_whole_bodies_is_not_asked_for_an_answer(tmp_path: Path) -> None:
    """GW-551, GW-622: behind an open door refused bytes are answered at once, and the application sees that its client left."""
    seen, begun = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        parts = [await receive()]
        begun.set()
        parts.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        seen.set_result([part["type"] for part in parts])

    listener = bind(Address("127.0.0.1", 0))
    served = asyncio.ensure_future(serve_beside(application, listener))
    reader, writer = await open_to(listener.getsockname()[1])
    writer.write(CHUNKED % b"x" + b"2\r\nab\r\n")
    await asyncio.wait_for(begun.wait(), PATIENCE_S)
    writer.write(b"zz\r\n")
    received = await everything(reader)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert await asyncio.wait_for(seen, PATIENCE_S) == ["http.request", "http.disconnect"]
    writer.close()
    served.cancel()
    await asyncio.gather(served, return_exceptions=True)


async def test_another_application_sees_the_end_of_no_body_each_time() -> None:
    """GW-551: a head that is known by its bytes is a whole request, and what an application does to its fields stays its own."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        part = await receive()
        scope["headers"].append((b"seen", b"1"))
        found = (part["body"], part.get("more_body", False), len(scope["headers"]))
        fields = [(b"x-found", repr(found).encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    listener = bind(Address("127.0.0.1", 0))
    served = asyncio.ensure_future(serve_beside(application, listener))
    reader, writer = await open_to(listener.getsockname()[1])
    for _ in range(3):
        writer.write(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await head_of(reader)
        assert b"x-found: (b'', False, 2)\r\n" in head
    writer.close()
    served.cancel()
    await asyncio.gather(served, return_exceptions=True)


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.is_aborted = b"", False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        """Nothing comes."""

    resume_reading = pause_reading


class Connection:
    """What a turn asks of its connection."""

    def __init__(self) -> None:
        self.transport, self.over = Wire(), list[Ended]()
        self.flow = Flow(self.transport)
        self.peer, self.origin = ("192.0.2.1", 5), ("192.0.2.1", "http")

    def dated(self) -> bytes:
        return b"date: today\r\n"

    def turn_over(self, turn: Ended) -> None:
        self.over.append(turn)

    def passage_over(self, *, is_shed: bool = False) -> None:
        raise AssertionError(f"a turn is no passage: {is_shed}")

    def learn_way(self, head: Head, way: Straight) -> None:
        raise AssertionError(f"a turn learns nothing by itself: {head}, {way}")

    def take_over(self, head: Head, serve: Callable[[Client], Awaitable[None]]) -> None:
        raise AssertionError(f"a turn went over already: {head}, {serve}")


def turn_of(method: str = "GET", version: str = "1.1", *, keeps: bool = True, asks: bool = False) -> tuple[Connection, Turn]:  # fmt: skip
    line = Connection()
    call = Call(method, "", b"q=1", [(b"host", b"a")], b"/a%20b")
    return line, Turn(line, Head(call, version, 0, keeps, asks))


async def test_a_whole_answer_is_one_write() -> None:
    """GW-554, GW-508: head and body; HEAD has the length alone, 204 neither; HTTP/1.0 and a last request say close."""
    head = b"HTTP/1.1 200 OK\r\ndate: today\r\nx-a: 1\r\ncontent-length: 2\r\n"
    for method, version, keeps, end in (
        ("GET", "1.1", True, b"\r\nab"), ("HEAD", "1.1", True, b"\r\n"), ("GET", "1.1", False, b"connection: close\r\n\r\nab"),
        ("GET", "1.0", True, b"connection: close\r\n\r\nab"),
    ):  # fmt: skip
        line, turn = turn_of(method, version, keeps=keeps)
        await turn.whole(200, b"x-a: 1\r\n", b"ab")
        assert line.transport.written == head + end
        assert (line.over, turn.is_over, turn.closes) == ([turn], True, not end.startswith(b"\r\n"))
    line, turn = turn_of()
    await turn.whole(204, b"", b"")
    assert line.transport.written == b"HTTP/1.1 204 No Content\r\ndate: today\r\n\r\n"


@pytest.mark.parametrize(
    ("version", "length", "framing", "body"),
    [
        ("1.1", 3, b"content-length: 3\r\n", b"abc"),
        ("1.1", None, b"transfer-encoding: chunked\r\n", b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        ("1.0", None, b"connection: close\r\n", b"abc"),
    ],
)
async def test_an_answer_in_pieces_is_framed_as_the_client_understands(
    version: str, length: int | None, framing: bytes, body: bytes
) -> None:
    """GW-554: by its length, in chunks, or by the end of the connection."""
    line, turn = turn_of(version=version)
    await turn.begin(200, b"", length)
    for piece in (b"ab", b"c"):
        await turn.write(piece)
    await turn.end()
    assert line.transport.written == b"HTTP/1.1 200 OK\r\ndate: today\r\n" + framing + b"\r\n" + body
    assert line.over == [turn]


@pytest.mark.parametrize("pieces", [[b"ab"], [b"abc", b"d"]])
async def test_an_answer_that_lies_about_its_length_is_cut(pieces: list[bytes]) -> None:
    """GW-582: shorter or longer than it said: the client is told by the end of the connection."""

    async def lie(turn: Turn) -> None:
        await turn.begin(200, b"", 3)
        for piece in pieces:
            await turn.write(piece)
        await turn.end()

    line, turn = turn_of()
    await turn.run(lie)
    assert (line.transport.is_aborted, line.over) == (True, [])


async def test_what_fails_before_its_answer_is_500_and_ends_the_connection() -> None:
    """GW-507: an application that raises, one that forgets to answer, and a field that would begin a second answer."""

    async def fail(_: Turn) -> None:
        raise ValueError("planted")

    async def forget(_: Turn) -> None:
        """Answer nothing."""

    for serve in (fail, forget):
        line, turn = turn_of()
        await turn.run(serve)
        assert line.transport.written.startswith(b"HTTP/1.1 500 ")
        assert turn.closes


async def test_asgi_speaks_over_a_turn() -> None:
    """GW-501: the scope as it came, the body once it was asked for, an answer without chunks of its own."""
    line, turn = turn_of("POST", asks=True)
    turn.take(b"ab")
    turn.take_end()
    scope = turn.scope
    assert (scope["path"], scope["raw_path"], scope["query_string"], scope["client"]) == (
        "/a b",
        b"/a%20b",
        b"q=1",
        ("192.0.2.1", 5),
    )
    assert await turn.receive() == {"type": "http.request", "body": b"ab", "more_body": False}
    await turn.send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"1")]})
    await turn.send({"type": "http.response.body", "body": b"x"})
    assert line.transport.written == (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 1\r\n\r\nx"
    )
    assert await turn.receive() == {"type": "http.disconnect"}
