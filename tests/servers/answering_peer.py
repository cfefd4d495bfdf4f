"""A peer in this process that answers every read with what it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from veritape.apps.bench.gateway_client import Target

Reply = Callable[[int], tuple[float, bytes | None]]
"""Number of a request -> seconds until its answer, and the answer; None: the connection is closed."""


class _Peer(asyncio.Protocol):
    def __init__(self, asked: list[int], reply: Reply) -> None:
        self._asked, self._reply = asked, reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        del data
        self._asked[0] += 1
        delay_s, answer = self._reply(self._asked[0])
        asyncio.get_running_loop().call_later(delay_s, self._answer, answer)

    def _answer(self, answer: bytes | None) -> None:
        if answer is None:
            self._transport.close()
        else:
            self._transport.write(answer)


@asynccontextmanager
async def answering_peer(reply: Reply) -> AsyncIterator[Target]:
    """Serve on loopback; requests have to come in one piece, one at a time on a connection."""
    asked = [0]
    server = await asyncio.get_running_loop().create_server(lambda: _Peer(asked, reply), "127.0.0.1", 0)
    try:
        yield Target("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
