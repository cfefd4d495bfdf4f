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
        first = await pool.acquire()
        assert await use(first) == 200
        pool.release(first)
        assert await pool.acquire() is first
        first.begin("GET", HEAD, has_body=False)
        pool.release(first)
        second = await pool.acquire()
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
        held = await pool.acquire()
        assert await use(held) == 200
        first, second = (asyncio.ensure_future(pool.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(UpstreamFailedError) as failure:
            await pool.acquire()
        assert failure.value.reason is Reason.NO_HEALTHY_UPSTREAM
        first.cancel()
        pool.release(held)
        assert await asyncio.wait_for(second, PATIENCE_S) is held
        held.begin("GET", HEAD, has_body=False)
        third = asyncio.ensure_future(pool.acquire())
        await asyncio.sleep(0)
        pool.release(held)
        replacement = await asyncio.wait_for(third, PATIENCE_S)
        assert replacement is not held
        assert back.connections == 2
        pool.release(replacement)
        pool.close()


async def test_link_local_addresses_are_never_connected_to() -> None:
    """GW-904: not by name either: what a name resolves to is looked at."""
    pool = TargetPool(Target("169.254.169.254", 80), None, "")
    with pytest.raises(UpstreamFailedError) as failure:
        await pool.acquire()
    assert (failure.value.reason, failure.value.request_begun) == (Reason.UPSTREAM_UNREACHABLE, False)


async def test_an_unknown_name_is_unreachable() -> None:
    """GW-585: a look-up that fails is a failed connection."""
    pool = TargetPool(Target("nowhere.invalid", 80), None, "")
    with pytest.raises(UpstreamFailedError):
        await pool.acquire()


def test_certificates_are_verified() -> None:
    """GW-581: there is no switch that turns it off."""
    context = tls_context(TlsRule())
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(OSError, match="No such file"):
        tls_context(TlsRule("/nowhere.pem"))
