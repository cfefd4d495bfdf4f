"""How a real server is set, and what the gateway says of it."""

from pathlib import Path

import pytest
from tests.servers.redis_process import redis_process
from tests.servers.store_links import linked_by

from veritape.gateway.adapters.redis_agreement import Agreement
from veritape.gateway.adapters.redis_configuration import check_configuration
from veritape.gateway.settings import StoreClient
from veritape.gateway.store_keeping import UNKNOWN
from veritape.kernel.errors import CheckFailedError


async def test_a_server_as_documented_and_otherwise(tmp_path: Path) -> None:
    """GW-259, GW-260: nothing is said of the documented setting; eviction is refused, what would be lost is said."""
    with redis_process(tmp_path) as server:
        async with linked_by(StoreClient.OWN, server.url) as link:
            assert await check_configuration(link) == []
            await link.call([b"CONFIG", b"SET", b"appendonly", b"no"])
            agreement = Agreement(link)
            await agreement.prepare(b"e" * 16)
            (line,) = agreement.warnings
            assert line.startswith("redis_forgets: appendonly is no")
            await link.call([b"CONFIG", b"SET", b"maxmemory-policy", b"volatile-lru"])
            with pytest.raises(CheckFailedError, match="redis_evicts: maxmemory-policy is volatile-lru"):
                await agreement.prepare(b"e" * 16)


async def test_a_server_that_does_not_show_its_parameters(tmp_path: Path) -> None:
    """GW-260: CONFIG GET is forbidden: a warning that says what to see to, no refusal."""
    user = ("--user", "veritape", "on", ">pw", "~vt1:*", "+@all", "-@dangerous")
    with redis_process(tmp_path, *user) as server:
        url = server.url.replace("//", "//veritape:pw@")
        async with linked_by(StoreClient.OWN, url) as link:
            assert await check_configuration(link) == [UNKNOWN]
