"""Connections to one target."""

import asyncio
import ssl

import pytest
from tests.upstream import Peer, answer, upstream
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters import target_pool
from veritape.gateway.adapters.target_pool import TargetPool, tls_context
from veritape.gateway.adapters.upstream_connection import UpstreamConnection
from veritape.gateway.reasons import Reason
from veritape.gateway.upstream_failures import UpstreamFailedError
from veritape.gateway.upstreams import Target, TlsRule

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def soon() -> float:
    """Return a moment until which everything has come."""
    return asyncio.get_running_loop().time() + PATIENCE_S


async def plain(peer: Peer) -> None:
    peer.writer.write(answer())


async def use(connection: UpstreamConnection) -> int:
    connection.begin("GET", HEAD, has_body=False)
    soon = asyncio.get_running_loop().time() + 5
    head = await connection.head(soon)
    while await connection.read(soon):
        pass
    return head.status


async def test_a_connection_comes_back_only_after_a_complete_answer() -> None:
    """GW-585: reused after request and answer; thrown away in the middle of either."""
    async with upstream(plain) as back:
        pool = TargetPool(Target("127.0.0.1", back.port), None, "")
        first = await pool.acquire(soon())
        assert await use(first) == 200
        pool.release(first)
        assert await pool.acquire(soon()) is first
        first.begin("GET", HEAD, has_body=False)
        pool.release(first)
        second = await pool.acquire(soon())
        assert second is not first
        pool.close()
        assert await use(second) == 200
        pool.release(second)
        assert not second.is_reusable


async def test_requests_wait_for_a_connection_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-581: at most so many connections, at most so many waiting, then ``no_healthy_upstream``."""
    monkeypatch.setattr(target_pool, "CONNECTIONS", 1)
    monkeypatch.setattr(target_pool, "WAITING", 2)
    async with upstream(plain) as back:
        pool = TargetPool(Target("127.0.0.1", back.port), None, "")
        held = await pool.acquire(soon())
        assert await use(held) == 200
        first, second = (asyncio.ensure_future(pool.acquire(soon())) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(UpstreamFailedError) as failure:
            await pool.acquire(soon())
        assert failure.value.reason is Reason.NO_HEALTHY_UPSTREAM
        first.cancel()
        pool.release(held)
        assert await asyncio.wait_for(second, PATIENCE_S) is held
        held.begin("GET", HEAD, has_body=False)
        third = asyncio.ensure_future(pool.acquire(soon()))
        await asyncio.sleep(0)
        pool.release(held)
        replacement = await asyncio.wait_for(third, PATIENCE_S)
        assert replacement is not held
        assert back.connections == 2
        pool.release(replacement)
        pool.close()


async def test_who_comes_later_does_not_overtake_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-581: a connection that comes back is handed over at once; who is there before the one that waits has woken finds none."""
    monkeypatch.setattr(target_pool, "CONNECTIONS", 1)
    async with upstream(plain) as back:
        pool = TargetPool(Target("127.0.0.1", back.port), None, "")
        held = await pool.acquire(soon())
        waiting = [asyncio.ensure_future(pool.acquire(soon())) for _ in range(2)]
        await asyncio.sleep(0)
        for one in waiting:
            assert await use(held) == 200
            pool.release(held)
            assert pool.take_idle() is None
            assert await asyncio.wait_for(one, PATIENCE_S) is held
        pool.release(held)
        assert await use(held) == 200
        pool.close()


async def test_what_was_handed_to_one_who_left_goes_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-581: cancelled before it wakes, its connection, or its leave to make one, is the next one's."""
    monkeypatch.setattr(target_pool, "CONNECTIONS", 1)
    async with upstream(plain) as back:
        pool = TargetPool(Target("127.0.0.1", back.port), None, "")
        held = await pool.acquire(soon())
        assert await use(held) == 200
        first, second = (asyncio.ensure_future(pool.acquire(soon())) for _ in range(2))
        await asyncio.sleep(0)
        pool.release(held)
        first.cancel()
        assert await asyncio.wait_for(second, PATIENCE_S) is held
        first, second = (asyncio.ensure_future(pool.acquire(soon())) for _ in range(2))
        await asyncio.sleep(0)
        held.begin("GET", HEAD, has_body=False)
        pool.release(held)
        while pool._waiting:
            await asyncio.sleep(0)
            if len(pool._waiting) == 1:
                first.cancel()
        replacement = await asyncio.wait_for(second, PATIENCE_S)
        assert (replacement is held, back.connections) == (False, 2)
        assert await use(replacement) == 200
        pool.release(replacement)
        pool.close()


async def test_a_wait_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-582: neither a connection that is in use nor one that has to be made is waited for longer than the request may take."""
    async with upstream(plain) as back:
        pool = TargetPool(Target("127.0.0.1", back.port), None, "")
        with pytest.raises(UpstreamFailedError) as failure:
            await pool.acquire(0.0)
        assert failure.value.reason is Reason.UPSTREAM_TIMEOUT
        monkeypatch.setattr(target_pool, "CONNECTIONS", 1)
        held = await pool.acquire(soon())
        with pytest.raises(UpstreamFailedError) as failure:
            await pool.acquire(0.0)
        assert failure.value.reason is Reason.UPSTREAM_TIMEOUT
        assert await use(held) == 200
        pool.release(held)
        assert pool.take_idle() is held
        pool.release(held)
        pool.close()


async def test_link_local_addresses_are_never_connected_to() -> None:
    """GW-904: not by name either: what a name resolves to is looked at."""
    pool = TargetPool(Target("169.254.169.254", 80), None, "")
    with pytest.raises(UpstreamFailedError) as failure:
        await pool.acquire(soon())
    assert (failure.value.reason, failure.value.request_begun) == (Reason.UPSTREAM_UNREACHABLE, False)


async def test_an_unknown_name_is_unreachable() -> None:
    """GW-585: a look-up that fails is a failed connection."""
    pool = TargetPool(Target("nowhere.invalid", 80), None, "")
    with pytest.raises(UpstreamFailedError):
        await pool.acquire(soon())


def test_certificates_are_verified() -> None:
    """GW-581: there is no switch that turns it off."""
    context = tls_context(TlsRule())
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(OSError, match="No such file"):
        tls_context(TlsRule("/nowhere.pem"))
