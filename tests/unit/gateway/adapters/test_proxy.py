"""Attempts and retries."""

import asyncio
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from tests.upstream import Peer, answer, upstream
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.departure import ClientLeftError, departure_of
from veritape.gateway.adapters.proxy import AnswerCutError, Exchange, Forwarded
from veritape.gateway.adapters.upstream_pool import UpstreamPool
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason
from veritape.gateway.upstream_metrics import NoFigures
from veritape.gateway.upstreams import Target, Upstream
from veritape.kernel.clock import SystemClock

NOWHERE = 1


def pool_of(*ports: int) -> UpstreamPool:
    targets = tuple(Target("127.0.0.1", port) for port in ports)
    return UpstreamPool(Upstream("back", targets), SystemClock(), NoFigures(), lambda _: None)


async def nothing() -> MutableMapping[str, Any]:
    raise AssertionError("no body is asked for")


def request(method: str = "GET", **changes: Any) -> Forwarded:
    made = Forwarded(method, lambda _: b"", None, None, False, 1_000, 5)._replace(**changes)
    length = len(made.body) if made.body is not None else made.length or 0
    framing = (
        "Transfer-Encoding: chunked" if made.streams and made.length is None else f"Content-Length: {length}"
    )
    return made._replace(
        head=lambda host: f"{method} / HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n".encode()
    )


async def run(pool: UpstreamPool, asked: Forwarded) -> tuple[int, bytes]:
    exchange = Exchange(pool, asked, nothing, SystemClock())
    try:
        found = await exchange.answer()
        pieces = []
        while piece := await exchange.read():
            pieces.append(piece)
        return found.status, b"".join(pieces)
    finally:
        exchange.close()


async def plain(peer: Peer) -> None:
    peer.writer.write(answer())


async def drop(peer: Peer) -> None:
    peer.writer.close()


async def test_another_target_is_tried_when_no_byte_was_sent() -> None:
    """GW-584, GW-974: any method; the failed target is marked; nothing is left in progress."""
    async with upstream(plain) as back:
        pool = pool_of(NOWHERE, back.port)
        for method in ("POST", "GET"):
            assert await run(pool, request(method)) == (200, b"{}")
        assert pool.targets[0].health.failures >= 1
        assert [one.in_flight for one in pool.targets] == [0, 0]
        pool.close()


async def test_a_get_without_an_answer_is_tried_once_more_and_a_post_is_not() -> None:
    """GW-584: the POST may have acted; the reason of the first attempt is told."""
    async with upstream(drop) as first, upstream(plain) as second:
        pool = pool_of(first.port, second.port)
        assert await run(pool, request()) == (200, b"{}")
        pool = pool_of(first.port, second.port)
        with pytest.raises(RefusedError) as refusal:
            await run(pool, request("POST"))
        assert refusal.value.reason is Reason.UPSTREAM_CLOSED
        assert len(second.requests) == 1
        pool.close()


async def test_a_retry_happens_once_and_on_another_target() -> None:
    """GW-584: two failing targets are two attempts; one failing target is one."""
    async with upstream(drop) as first, upstream(drop) as second:
        pool = pool_of(first.port, second.port)
        with pytest.raises(RefusedError):
            await run(pool, request())
        assert (len(first.requests), len(second.requests)) == (1, 1)
        alone = pool_of(first.port)
        with pytest.raises(RefusedError):
            await run(alone, request())
        assert len(first.requests) == 2


async def test_retries_are_a_fifth_at_most() -> None:
    """GW-584: an upstream that is down does not get twice the requests."""
    async with upstream(drop) as first, upstream(drop) as second:
        pool = pool_of(first.port, second.port)
        for _ in range(8):
            with pytest.raises(RefusedError):
                await run(pool, request())
        attempts = len(first.requests) + len(second.requests)
        assert attempts == 8 + 2


async def test_an_answer_that_is_cut_off_says_so() -> None:
    """GW-582: the end of the connection is not the end of the body."""

    async def cut(peer: Peer) -> None:
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
        await peer.writer.drain()
        await asyncio.sleep(0.05)
        peer.writer.close()

    async with upstream(cut) as back:
        with pytest.raises(AnswerCutError, match="upstream_closed"):
            await run(pool_of(back.port), request())


async def test_a_client_that_leaves_cancels_the_upstream() -> None:
    """GW-554, GW-974: while it waits for the head; the connection to the target is thrown away."""
    began = asyncio.Event()

    async def slow(peer: Peer) -> None:
        began.set()
        await peer.reader.read()
        ended.set()

    ended = asyncio.Event()
    async with upstream(slow) as back:
        scope: dict[str, Any] = {}

        async def ask() -> None:
            with departure_of(scope).cancellable():
                await run(pool_of(back.port), request())

        task = asyncio.ensure_future(ask())
        await asyncio.wait_for(began.wait(), PATIENCE_S)
        departure_of(scope).end(ClientLeftError())
        with pytest.raises(ClientLeftError):
            await task
        await asyncio.wait_for(ended.wait(), PATIENCE_S)
        with pytest.raises(ClientLeftError):
            await ask()


async def test_a_client_that_leaves_within_its_body_cancels_the_upstream() -> None:
    """GW-554: half a body is never made a whole one."""

    async def receive() -> MutableMapping[str, Any]:
        return next(messages)

    messages: Iterator[MutableMapping[str, Any]] = iter(
        [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.disconnect"}]
    )
    async with upstream(plain) as back:
        back.reads_bodies = True
        exchange = Exchange(
            pool_of(back.port), request("POST", streams=True, length=9), receive, SystemClock()
        )
        with pytest.raises(ClientLeftError):
            await exchange.answer()
        exchange.close()
        await asyncio.sleep(0.05)
        assert back.requests == []
