"""One connection: back-pressure, bytes out of turn, ends."""

import asyncio

import pytest
from tests.upstream import Peer, upstream
from tests.waiting import PATIENCE_S, until

from veritape.gateway.adapters.departing import Departing
from veritape.gateway.adapters.upstream_connection import BUFFER_BYTES, UpstreamConnection
from veritape.gateway.reasons import Reason
from veritape.gateway.upstream_failures import UpstreamFailedError

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def connect(port: int) -> UpstreamConnection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: UpstreamConnection(lambda _: None), "127.0.0.1", port
    )
    return connection


def soon(seconds: float = 5) -> float:
    """Return a moment of the loop's clock."""
    return asyncio.get_running_loop().time() + seconds


async def read_all(connection: UpstreamConnection) -> None:
    await connection.head(soon())
    while await connection.read(soon()):
        pass


async def test_a_slow_client_pauses_the_target() -> None:
    """GW-554: an answer that nobody reads waits in the target, not here."""
    written = 0

    async def pour(peer: Peer) -> None:
        nonlocal written
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            peer.writer.write(b"x" * 100_000)
            await peer.writer.drain()
            written += 100_000

    async with upstream(pour) as back:
        connection = await connect(back.port)
        connection.begin("GET", GET, has_body=False)
        assert (await connection.head(soon())).status == 200
        await until(lambda: connection._flow.is_reading_paused)
        before = -1
        while written != before:
            before = written
            await asyncio.sleep(0.05)
        assert written < 50_000_000
        held = sum(map(len, connection._chunks))
        assert BUFFER_BYTES <= held <= 4 * BUFFER_BYTES
        total = 0
        while piece := await connection.read(soon()):
            total += len(piece)
        assert (total, connection.is_reusable) == (50_000_000, True)
        connection.close()


async def test_a_slow_target_pauses_the_client() -> None:
    """GW-554: a body that the target does not take is not taken from the client either."""
    gate = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await gate.wait()
        await peer.reader.readexactly(8_000_000)
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with upstream(slow) as back:
        back.reads_bodies = False
        connection = await connect(back.port)
        connection.begin("POST", HEAD, has_body=True)

        async def send() -> None:
            for _ in range(80):
                await connection.write(b"x" * 100_000)
            connection.request_ended = True

        sending = asyncio.ensure_future(send())
        await asyncio.wait((sending,), timeout=0.2)
        assert not sending.done()
        gate.set()
        await asyncio.wait_for(sending, PATIENCE_S)
        assert (await connection.head(soon())).status == 200
        assert connection.is_reusable
        connection.close()


async def test_bytes_that_nobody_asked_for_end_an_idle_connection() -> None:
    """GW-582: a second answer unasked throws the connection away."""

    async def late(peer: Peer) -> None:
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.writer.drain()
        await told.wait()
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    told = asyncio.Event()
    async with upstream(late) as back:
        connection = await connect(back.port)
        connection.begin("GET", GET, has_body=False)
        await connection.head(soon())
        assert connection.is_reusable
        told.set()
        await until(lambda: connection.is_lost)
        assert not connection.is_reusable


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_over = False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.is_over

    def abort(self) -> None:
        self.is_over = True


def departing(count: int = 1) -> list[tuple[Wire, UpstreamConnection]]:
    """Return connections whose requests leave together."""
    together, made = Departing(), []
    for _ in range(count):
        wire, connection = Wire(), UpstreamConnection(lambda _: None, None, together)
        connection.connection_made(wire)
        made.append((wire, connection))
    return made


async def test_requests_of_a_turn_leave_at_its_end_in_their_order() -> None:
    """GW-581: what is ready in one turn of the loop is written together."""
    order, made = list[int](), departing(2)
    for number, (wire, connection) in enumerate(made):
        wire.write = lambda _, number=number: order.append(number)  # type: ignore[method-assign, misc]
        connection.begin("GET", GET, has_body=False)
    assert order == []
    await asyncio.sleep(0)
    assert order == [0, 1]


async def test_a_body_follows_its_head() -> None:
    """GW-582: what is written of a body before the turn ends comes behind the head, which leaves once."""
    ((wire, connection),) = departing()
    connection.begin("POST", HEAD, has_body=True)
    await connection.write(b"a")
    assert wire.written == [HEAD, b"a"]
    await asyncio.sleep(0)
    assert wire.written == [HEAD, b"a"]


async def test_bytes_before_the_request_left_are_no_answer_to_it() -> None:
    """GW-582: what a target sent on its own is not taken for the answer; the request has not begun and never leaves."""
    ((wire, connection),) = departing()
    connection.begin("POST", HEAD, has_body=True)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(UpstreamFailedError) as failure:
        await connection.head(soon())
    await asyncio.sleep(0)
    found = failure.value
    assert (found.reason, found.request_begun) == (Reason.UPSTREAM_PROTOCOL_ERROR, False)
    assert (wire.written, wire.is_over) == ([], True)


async def test_a_request_that_had_not_left_when_its_connection_ended_has_not_begun() -> None:
    """GW-584: it may be tried elsewhere, whatever its method."""
    ((wire, connection),) = departing()
    connection.begin("POST", HEAD, has_body=True)
    wire.is_over = True
    await asyncio.sleep(0)
    connection.connection_lost(None)
    with pytest.raises(UpstreamFailedError) as failure:
        await connection.head(soon())
    assert (wire.written, failure.value.request_begun) == ([], False)
    assert not connection.is_reusable


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", Reason.UPSTREAM_CLOSED),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nxx\r\n",
            Reason.UPSTREAM_PROTOCOL_ERROR,
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", Reason.UPSTREAM_CLOSED),
    ],
)
async def test_a_cut_answer_is_never_taken_for_a_whole_one(octets: bytes, reason: Reason) -> None:
    """GW-582: a short body and a bad chunk are failures, found while the body is read or before."""

    async def cut(peer: Peer) -> None:
        peer.writer.write(octets)
        peer.writer.close()

    async with upstream(cut) as back:
        connection = await connect(back.port)
        connection.begin("GET", GET, has_body=False)
        with pytest.raises(UpstreamFailedError) as failure:
            await read_all(connection)
        assert (failure.value.reason, failure.value.answer_begun) == (reason, True)


@pytest.mark.parametrize(
    ("following", "method", "expected"),
    [
        (b"yz", "GET", b"yz"),
        (b"y", "GET", Reason.UPSTREAM_CLOSED),
        (b"yz!", "GET", Reason.UPSTREAM_PROTOCOL_ERROR),
        (b"", "HEAD", b""),
        (b"yz", "HEAD", Reason.UPSTREAM_PROTOCOL_ERROR),
    ],
)
async def test_a_head_that_is_known_frames_its_body_as_before(
    following: bytes, method: str, expected: bytes | Reason
) -> None:
    """GW-582: with other octets behind it; fewer or more than it says are failures as with any head."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\n"

    async def twice(peer: Peer) -> None:
        peer.writer.write(head + (following if peer.number else b"ab"))
        if peer.number:
            peer.writer.close()

    async with upstream(twice) as back:
        connection = await connect(back.port)
        connection.begin("GET", GET, has_body=False)
        first = await connection.head(soon())
        assert await connection.read(soon()) == b"ab"
        connection.begin(method, GET.replace(b"GET", method.encode()), has_body=False)
        if isinstance(expected, Reason):
            with pytest.raises(UpstreamFailedError) as failure:
                await read_all(connection)
            assert failure.value.reason is expected
        else:
            again = await connection.head(soon())
            received = b""
            while piece := await connection.read(soon()):
                received += piece
            assert received == expected
            assert (again is first, again.fields) == (method == "GET", first.fields)
        connection.close()


async def test_silence_is_a_timeout() -> None:
    """GW-582: no byte in time."""

    async def silent(peer: Peer) -> None:
        await asyncio.Event().wait()

    async with upstream(silent) as back:
        connection = await connect(back.port)
        connection.begin("GET", GET, has_body=False)
        with pytest.raises(UpstreamFailedError) as failure:
            await connection.head(soon(0.05))
        assert failure.value.reason is Reason.UPSTREAM_TIMEOUT
        connection.close()
