"""The open loop and the flood."""

import asyncio
import contextlib
from array import array
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.servers.answering_peer import answering_peer

from veritape.apps.bench import gateway_flood
from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_flood import Tally, flood, open_loop, status_of
from veritape.kernel.clock import SystemClock

CLOCK = SystemClock()
REQUEST = b"GET / HTTP/1.1\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def at_once(_asked: int) -> tuple[float, bytes | None]:
    """Answer every request."""
    return 0.0, ANSWER


async def test_every_request_of_the_schedule_is_sent_once() -> None:
    """GW-852: so many a second for so long, whatever the machine does; never before it is due."""
    async with answering_peer(at_once) as target:
        tally = await open_loop(target, REQUEST, 200, 0.5, CLOCK, connections=4)
    assert tally.statuses == {200: 100}
    assert len(tally.latencies_ns) == 100
    assert tally.seconds >= 99 / 200
    assert tally.per_second <= 100 / (99 / 200)
    assert tally.latencies_ns[0] > 0


async def test_many_connections_come_from_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-852, GW-553: a gateway takes 200 of one address; one that is lost comes from the same again."""
    monkeypatch.setattr(gateway_flood, "PER_ADDRESS", 2)
    sources: Counter[str] = Counter()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sources[writer.get_extra_info("peername")[0]] += 1
        with contextlib.suppress(ConnectionError):
            while await reader.read(1_000):
                writer.write(ANSWER)
        writer.close()
        gone.release()

    gone = asyncio.Semaphore(0)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    target = Target("127.0.0.1", server.sockets[0].getsockname()[1])
    tally = await open_loop(target, REQUEST, 100, 0.2, CLOCK, connections=5)
    for _ in range(5):
        await gone.acquire()
    server.close()
    await server.wait_closed()
    assert tally.statuses == {200: 20}
    assert sources == {"127.0.0.1": 2, "127.0.1.1": 2, "127.0.1.2": 1}


async def test_a_peer_that_stands_still_is_seen_by_every_request_of_that_time() -> None:
    """GW-852: no coordinated omission: 2 connections, 1 s of stillness at 100 a second: a half of 200 waited, P75 half a second."""
    began_ns = CLOCK.monotonic_ns()

    def still(_asked: int) -> tuple[float, bytes | None]:
        return max(0.0, 1.0 - (CLOCK.monotonic_ns() - began_ns) / 1e9), ANSWER

    async with answering_peer(still) as target:
        tally = await open_loop(target, REQUEST, 100, 2.0, CLOCK, connections=2)
    assert tally.statuses == {200: 200}
    assert sum(latency_ns > 10_000_000 for latency_ns in tally.latencies_ns) >= 90
    assert tally.latency_ms(75) > 300


async def test_lost_connections_are_no_answers_and_others_take_their_place() -> None:
    """GW-852: a peer that closes without an answer is counted; one that says so after its answer loses nothing."""
    last = ANSWER.replace(b"200 OK", b"429 X\r\nConnection: close")
    async with answering_peer(lambda asked: (0.0, {3: None, 5: last}.get(asked, ANSWER))) as target:
        tally = await open_loop(target, REQUEST, 100, 0.3, CLOCK, connections=2)
    assert tally.statuses == {200: 28, 429: 1, 0: 1}


async def test_what_does_not_come_is_as_slow_as_it_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-852: bounded: after the patience what is under way or waits is status 0; so is what the bound of the queue kept out."""
    monkeypatch.setattr(gateway_flood, "PATIENCE_S", 0.05)
    monkeypatch.setattr(gateway_flood, "WAITING_LIMIT", 3)
    async with answering_peer(lambda _: (0.0, b"")) as target:
        tally = await open_loop(target, REQUEST, 100, 0.1, CLOCK, connections=2)
    assert (tally.statuses, tally.unsent, tally.in_time, len(tally.served_ns)) == ({0: 10}, 8, 0, 0)
    assert tally.latencies_ns[-1] >= 50_000_000


async def test_what_is_served_late_is_not_served_in_time() -> None:
    """GW-852: of one connection to a peer that takes 60 ms two answers come while requests are due; each took that long from when it was sent."""
    async with answering_peer(lambda _: (0.06, ANSWER)) as target:
        tally = await open_loop(target, REQUEST, 40, 0.15, CLOCK, connections=1)
    assert (tally.statuses, tally.unsent) == ({200: 6}, 0)
    assert tally.in_time <= 2
    assert 0.9 * 60 < tally.served_ms(0) <= tally.served_ms(95)
    assert tally.latency_ms(95) > 2 * 60


async def test_a_flood_keeps_its_connections_busy() -> None:
    """GW-852: the generator's ceiling: the next as soon as the last was answered."""
    async with answering_peer(at_once) as target:
        tally = await flood(target, REQUEST, 0.3, CLOCK, connections=3)
    assert tally.statuses[200] > 3
    assert set(tally.statuses) == {200}
    assert tally.per_second > 0


async def test_what_is_no_answer_is_a_lost_connection() -> None:
    async with answering_peer(lambda asked: (0.0, b"SSH-2.0\r\n\r\n" if asked == 1 else ANSWER)) as target:
        tally = await open_loop(target, REQUEST, 100, 0.05, CLOCK, connections=1)
    assert tally.statuses == {0: 1, 200: 4}


async def test_nobody_there() -> None:
    with pytest.raises(ConnectionRefusedError):
        await open_loop(Target("127.0.0.1", 1), REQUEST, 1, 1.0, CLOCK)


@given(st.integers(0, len(ANSWER)), st.binary(max_size=20))
def test_an_answer_is_read_once_it_is_whole(cut: int, rest: bytes) -> None:
    assert status_of(ANSWER[:cut]) == (200 if cut == len(ANSWER) else None)
    assert status_of(ANSWER + rest) == 200


def test_percentiles() -> None:
    tally = Tally(Counter({200: 100}), array("q", range(1_000_000, 101_000_000, 1_000_000)), 2.0)
    assert (tally.latency_ms(50), tally.latency_ms(95), tally.latency_ms(100)) == (51.0, 96.0, 100.0)
    assert (tally.per_second, Tally(Counter(), array("q"), 1.0).latency_ms(95)) == (50.0, 0.0)
