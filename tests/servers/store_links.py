"""Connections to the shared store, by each client, for tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.waiting import until

from veritape.gateway.adapters.redis_address import parse_store_url
from veritape.gateway.adapters.redis_links import open_link
from veritape.gateway.adapters.store_link import Link
from veritape.gateway.settings import StoreClient


async def connected(link: Link) -> None:
    """Wait until calls can be made."""
    await until(link.connected.is_set)


async def away(link: Link) -> None:
    """Wait until no calls can be made."""
    await until(lambda: not link.connected.is_set())


@asynccontextmanager
async def opened(
    url: str,
    client: StoreClient,
    *,
    deadline_s: float = 30,
    password: str = "",
    tls_ca: str = "",
    sentinel_password: str = "",
) -> AsyncIterator[Link]:
    """Open a connection and keep it; it need not be there yet."""
    address = parse_store_url(url).with_secrets(password, tls_ca, sentinel_password)
    link = open_link(address, deadline_s, client)
    running = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def linked_by(client: StoreClient, url: str, *, deadline_s: float = 30) -> AsyncIterator[Link]:
    """Connect."""
    async with opened(url, client, deadline_s=deadline_s) as link:
        await connected(link)
        yield link
