"""Read an HTTP answer's whole body, up to a limit.

``StreamReader.read(n)`` of the client library returns what has arrived so far, up to ``n`` bytes: a body that comes in
several segments, as every larger one does on a real network, would be cut at the first.
"""

import aiohttp


async def read_body(reply: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """Return the body; one that is longer than the limit is cut to ``limit_bytes`` + 1, so that the caller sees it."""
    body = bytearray()
    async for piece in reply.content.iter_any():
        body += piece
        if len(body) > limit_bytes:
            break
    return bytes(body[: limit_bytes + 1])
