"""Whether the shared store suits the policy, asked before anything is served (GW-260, GW-941)."""

import asyncio
import contextlib
import secrets
from typing import Final

from veritape.gateway.adapters.redis_agreement import EPOCH_BYTES, Agreement
from veritape.gateway.adapters.redis_links import open_link, store_address
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.adapters.store_link import Link
from veritape.gateway.policy import Policy
from veritape.gateway.settings import GatewaySettings

ANSWER_S: Final = 1.0
"""Seconds that the start waits for the store; one that is away is no reason not to serve."""

LOOK_S: Final = 0.01
"""Seconds between two looks at whether it is connected."""


async def check_store(settings: GatewaySettings, policy: Policy) -> None:
    """Agree with the store on layout and partitions, when the policy has a shared one and it answers.

    Raises:
        CheckFailedError: ``store_layout``, ``partitions_differ`` or ``redis_evicts``.
        MisuseError: its address is none, or a file that it needs cannot be read.
    """
    if policy.store.kind == "memory":
        return
    link = open_link(store_address(settings.store), ANSWER_S, settings.store.client)
    running = asyncio.create_task(link.run())
    try:
        with contextlib.suppress(TimeoutError, StoreError):
            async with asyncio.timeout(ANSWER_S):
                await _connected(link)
                await Agreement(link, policy.store.partitions).prepare(secrets.token_bytes(EPOCH_BYTES))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _connected(link: Link) -> None:
    while not link.connected.is_set():  # noqa: ASYNC110 - a link of several servers tells nobody
        await asyncio.sleep(LOOK_S)
