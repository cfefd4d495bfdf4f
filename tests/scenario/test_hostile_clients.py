"""Clients that mean harm: the replayed broker goes on (KIS-224)."""

import asyncio
import os
import random
from pathlib import Path

import pytest
from tests.plain_client import CLOSE, NINE, TEXT, Plain, code_of, replayed, tape
from tests.waiting import PATIENCE_S

from veritape.replay.adapters.doorkeeper import SOCKETS

FRAMES = 36_000_000 if os.environ.get("VERITAPE_SOAK") else 50_000  # noqa: TID251 - the two sizes of one test
ROUND = 10_000


async def test_random_bytes_and_half_requests_end_nothing() -> None:
    """KIS-224, KIS-T19: both listeners answer afterwards as before."""
    chance = random.Random(7)
    async with replayed(speed=1) as plain:
        for _ in range(60):
            for port in (plain.broker.server.rest_port, plain.broker.server.websocket_port):
                _, writer = await plain.open(port)
                kind = chance.randrange(3)
                start = b"" if kind == 0 else b"GET /tryitout HTTP/1.1\r\nHost: x\r\n"
                writer.write(start + (chance.randbytes(200) if kind < 2 else b""))
        assert (await plain.price()).json["rt_cd"] == "0"
        socket, key = await plain.connect(), await plain.key()
        assert await socket.register(key) == "OPSP0000"


async def test_messages_of_any_size_and_kind_cost_only_their_socket() -> None:
    """KIS-224: 64 KiB a command; ten megabytes, binary, reserved opcodes, unfinished fragments."""
    async with replayed(speed=1) as plain:
        key = await plain.key()
        for first, payload in ((TEXT, b"{" * 60_000), (0x82, b"\xff\x00"), (0x8F, b"x"), (0x01, b"half")):
            socket = await plain.connect()
            await socket.send(payload, first)
            if first == TEXT:
                assert code_of(await socket.text()) == "OPSP9999"
        huge = await plain.connect()
        size = 10 << 20
        huge.writer.write(b"\x81\xff" + size.to_bytes(8, "big") + bytes(4))
        huge.writer.write(b"a" * (1 << 20))
        first, _ = await huge.frame()
        assert first in {0, CLOSE}
        last = await plain.connect()
        assert await last.register(key) == "OPSP0000"


async def test_a_body_and_a_head_have_limits() -> None:
    """KIS-224: 16 KiB of headers, 64 KiB of body."""
    async with replayed(speed=1) as plain:
        assert (await plain.call("/uapi/x", headers={"x": "a" * 20_000})).status in {400, 431}
        assert (await plain.call("/oauth2/tokenP", body=b"a" * 100_000)).status == 413
        assert (await plain.issue()).status == 200


async def test_the_hundred_and_first_socket_is_cut() -> None:
    """KIS-224: 100 sockets; the broker notes it and goes on."""
    async with replayed(speed=1) as plain:
        for _ in range(SOCKETS):
            await plain.connect()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await plain.connect()
        assert (await plain.price()).json["rt_cd"] == "0"


async def test_memory_stays_flat() -> None:
    """KIS-224: one broker keeps nothing of frames and days that are over; an hour at 10,000 a second in the long size."""
    days = FRAMES // ROUND
    until_ms, held = NINE + 301_000, []
    async with replayed(
        series=[tape(trades=ROUND)], until_ms=until_ms, patience_seconds=max(FRAMES / 1000, PATIENCE_S)
    ) as plain:
        for number in range(days):
            if number:
                await plain.next_day()
            await _watch_a_day(plain)
            held.append(resident_kib())
    assert max(held[days // 2 :]) <= held[days // 2 - 1] * 1.05, held


async def _watch_a_day(plain: Plain) -> None:
    """Connect, read a day's frames, answer heartbeats, leave; return when the broker has noticed."""
    key, socket, left = await plain.key(), await plain.connect(), ROUND
    await socket.command(key)
    while left:
        first, payload = await socket.frame()
        assert first == TEXT, payload
        left -= payload.startswith(b"0|")
        if b'"PINGPONG"' in payload:
            await socket.send(payload)
    while plain.writers:
        plain.writers.pop().close()
    while plain.broker.player.outboxes:
        await asyncio.sleep(0)


def resident_kib() -> int:
    """Return the memory that this process holds, the broker's and its client's."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1])
