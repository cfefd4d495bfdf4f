"""What the shared store asks of its connection, whichever client makes it and however many servers are behind it (GW-261)."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol


class Connected(Protocol):
    """Tells whether calls can be made."""

    def is_set(self) -> bool:
        """Tell it now."""
        ...


Asked = asyncio.Future[Any]
"""A question that was sent."""


class Link(Protocol):
    """Sends commands in the order in which they were given, each once, and hands the answers out.

    What a call returns holds the answer or a ``StoreError``; an error that Redis answers is its result, a
    ``hiredis.ReplyError`` that begins with Redis' word for it.
    """

    @property
    def connected(self) -> Connected:
        """Return what tells whether calls can be made."""
        ...

    @property
    def servers(self) -> Sequence["Link"]:
        """Return a link to each server that keeps counters; none before they are known."""
        ...

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        ...

    def call(self, parts: Sequence[bytes]) -> "asyncio.Future[Any]":
        """Send a command."""
        ...

    def send(self, command: bytes) -> "asyncio.Future[Any]":
        """Send a command as the protocol writes it."""
        ...
