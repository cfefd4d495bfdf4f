"""Requests to a gateway in this process, as a client library makes them and as none would."""

from typing import Any

import httpx
from tests.servers.gateway_world import World

from veritape.gateway.adapters.client import Scope


async def get(world: World, path: str, key: str | None = None, **fields: str) -> httpx.Response:
    """Ask as a client library does; ``_`` stands for ``-`` in the names of fields."""
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    async with world.client() as client:
        return await client.get(path, headers={**headers, **({"X-API-Key": key} if key else {})})


async def raw(
    world: World, path: bytes, headers: list[tuple[bytes, bytes]], query: bytes = b"", method: str = "GET"
) -> Any:
    """Send a request that no client library would send; return status, fields and body."""
    sent: list[Any] = []
    scope: Scope = {
        "type": "http", "method": method, "path": "/", "raw_path": path, "query_string": query, "headers": headers,
        "client": ("192.0.2.1", 1),
    }  # fmt: skip

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    await world.gateway(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]
