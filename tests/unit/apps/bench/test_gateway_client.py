"""The load generator."""

import asyncio

from veritape.apps.bench.gateway_client import Shot, Target, closed_loops, request_bytes
from veritape.kernel.clock import SystemClock


async def test_answers_are_counted_by_number_and_timed() -> None:
    """GW-852: statuses by number, Retry-After, one connection a loop, a peer that closes is no answer."""
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for reply in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n200",
            b"HTTP/1.1 429 X\r\nretry-after: 7\r\nQuota-State: local\r\n\r\n",
            b'HTTP/1.1 503 X\r\nContent-Length: 23\r\n\r\n{"reason":"overloaded"}',
        ):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    target = Target("127.0.0.1", server.sockets[0].getsockname()[1])
    shots = [Shot("a", request_bytes("GET", "/x", "k"))] * 5
    hits = await closed_loops(target, [iter(shots)], SystemClock(), think_s=0.001)
    server.close()
    assert [(hit.status, hit.retry_after) for hit in hits] == [
        (200, ""),
        (429, "7"),
        (503, ""),
        (0, ""),
        (200, ""),
    ]
    assert [hit.reason for hit in hits] == ["", "", "overloaded", "", ""]
    assert [hit.quota_state for hit in hits] == ["", "local", "", "", ""]
    assert connections == 2
    assert all(hit.seconds > 0 for hit in hits)


async def test_nobody_there_is_no_answer() -> None:
    """GW-852: a refused connection is counted and the loop goes on."""
    hits = await closed_loops(Target("127.0.0.1", 1), [iter([Shot("a", b"")] * 2)], SystemClock())
    assert [hit.status for hit in hits] == [0, 0]


def test_requests_on_the_wire() -> None:
    assert request_bytes("POST", "/x", "k", b"{}") == (
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"
    )
