"""A client that does not read."""

import asyncio
from pathlib import Path

import pytest
from tests.connections import open_to, serving
from tests.servers.gateway_world import World
from tests.upstream import Peer, policy_text, upstream
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters import reading_watch


async def test_a_client_that_does_not_read_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-553, GW-901: no progress in time ends the connection, and the upstream's with it."""
    monkeypatch.setattr(reading_watch, "STUCK_S", 0.2)
    monkeypatch.setattr(reading_watch, "LOOK_S", 0.1)
    ended = asyncio.Event()

    async def pour(peer: Peer) -> None:
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        try:
            for _ in range(1_000):
                peer.writer.write(b"x" * 100_000)
                await peer.writer.drain()
        finally:
            ended.set()

    async with upstream(pour) as back, serving(World(tmp_path, policy_text(back.url))) as port:
        _, writer = await open_to(port)
        writer.write(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.wait_for(ended.wait(), PATIENCE_S)
        writer.close()
