"""What is agreed on in a real Redis."""

from pathlib import Path

import pytest
from tests.servers.redis_process import redis_process
from tests.servers.redis_stand import linked

from veritape.gateway.adapters.redis_agreement import Agreement
from veritape.kernel.errors import CheckFailedError


async def test_the_store_is_agreed_on(tmp_path: Path) -> None:
    """GW-941: another layout or other partitions end the start; so does a store that evicts (GW-260)."""
    with redis_process(tmp_path) as server:
        async with linked(server) as link:
            await link.call([b"FLUSHALL"])
            await Agreement(link).prepare(b"e" * 16)
            await Agreement(link).prepare(b"f" * 16)
            assert await link.call([b"HGET", b"vt1:meta", b"epoch"]) == b"e" * 16
            other = Agreement(link, partitions=8)
            with pytest.raises(CheckFailedError, match=r"partitions_differ: .* = 64"):
                await other.prepare(b"e" * 16)
            await link.call([b"HSET", b"vt1:meta", b"layout", b"2"])
            with pytest.raises(CheckFailedError, match="store_layout"):
                await Agreement(link).prepare(b"e" * 16)
            await link.call([b"DEL", b"vt1:meta"])
            await link.call([b"CONFIG", b"SET", b"maxmemory-policy", b"allkeys-lru"])
            with pytest.raises(CheckFailedError, match="redis_evicts"):
                await Agreement(link).prepare(b"e" * 16)
            await link.call([b"CONFIG", b"SET", b"maxmemory-policy", b"noeviction"])
