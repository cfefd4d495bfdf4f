"""Bodies that arrive in pieces."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from veritape.observer.adapters.bodies import read_body

PIECES = [b"a" * 1_000, b"b" * 70_000, b"c"]


@asynccontextmanager
async def reply_in_pieces() -> AsyncIterator[aiohttp.ClientResponse]:
    """Yield a reply whose pieces are sent apart, the later ones only once the first has been read."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in PIECES:
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/") as reply:
            yield reply
    finally:
        await runner.cleanup()


async def test_a_body_in_several_pieces_is_read_whole() -> None:
    """KIS-027: the body is everything up to its end, not what came first."""
    async with reply_in_pieces() as reply:
        assert await read_body(reply, 1 << 20) == b"".join(PIECES)


async def test_a_body_beyond_the_limit_is_cut_one_byte_after_it() -> None:
    """KIS-027: a body too large is noticed and never held whole."""
    async with reply_in_pieces() as reply:
        assert await read_body(reply, 2_000) == b"".join(PIECES)[:2_001]
