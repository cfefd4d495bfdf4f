"""What is redis-py's own in its connection; tests/unit/gateway/adapters/test_store_link.py has what both clients promise."""

import asyncio

import pytest
from redis.asyncio import SSLConnection, UnixDomainSocketConnection
from tests.servers.store_links import connected, linked_by
from tests.servers.store_peer import StorePeer, echo, store_peer

from veritape.gateway.adapters.redis_address import parse_redis_url
from veritape.gateway.adapters.redis_py_link import open_connection
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.settings import StoreClient


def test_the_way_there_is_redis_py_s() -> None:
    """GW-263: a socket, TLS that verifies name and chain, and never a second attempt of its own."""
    assert isinstance(open_connection(parse_redis_url("unix:///r.sock")), UnixDomainSocketConnection)
    secure = open_connection(parse_redis_url("rediss://h"))
    assert isinstance(secure, SSLConnection)
    assert (secure.ssl_context.check_hostname, secure.ssl_context.cert_reqs.name) == (True, "CERT_REQUIRED")
    assert secure.retry.get_retries() == 0


async def test_what_is_asked_while_others_wait_is_one_write() -> None:
    """GW-261: the calls that came meanwhile leave together, in their order, when those before are answered."""
    held: list[list[bytes]] = []

    def first_waits(command: list[bytes]) -> bytes | None:
        held.append(command)
        return None if len(held) == 1 else echo(command)

    async with store_peer(first_waits) as one, linked_by(StoreClient.REDIS_PY, _url(one)) as link:
        first = link.call([b"ECHO", b"first"])
        while not held:
            await asyncio.sleep(0.001)
        others = [link.call([b"ECHO", b"%d" % n]) for n in range(3)]
        await asyncio.sleep(0.02)
        assert len(held) == 1
        one.writers[-1].write(echo(held[0]))
        assert await asyncio.gather(first, *others) == [b"first", b"0", b"1", b"2"]


async def test_a_server_that_is_loading_is_left_and_tried_again() -> None:
    """GW-262: LOADING is a failure of the store, whatever redis-py makes of it."""
    answers = iter([b"-LOADING Redis is loading the dataset in memory\r\n"])
    async with store_peer(lambda command: next(answers, None) or echo(command)) as one:  # noqa: SIM117
        async with linked_by(StoreClient.REDIS_PY, _url(one)) as link:
            with pytest.raises(StoreError):
                await link.call([b"ECHO", b"1"])
            await connected(link)
            assert await link.call([b"ECHO", b"2"]) == b"2"


def _url(one: StorePeer) -> str:
    return f"redis://127.0.0.1:{one.port}"
