"""The source of frames: what a WebSocket client reads of it."""

import asyncio
import subprocess
import sys

import aiohttp
import pytest

from veritape.apps.bench import websocket_source
from veritape.apps.bench.observer_tape import texts
from veritape.apps.bench.websocket_source import framed


@pytest.mark.parametrize("rate", [0, 2_000])
async def test_a_client_receives_the_day(rate: int) -> None:
    """OB-1031: the frames of the tape in order, with a date of their own."""
    command = [sys.executable, "-m", "veritape.apps.bench.websocket_source", str(rate), "0.3"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"ws://127.0.0.1:{port}/tryitout") as socket,
    ):
        received = [(await socket.receive_str()).encode() for _ in range(100)]
    await process.communicate()
    assert received == [text.replace(b"20131007", b"20000101") for text in texts()[:100]]


def test_frames_have_the_length_of_their_payload() -> None:
    """RFC 6455: one byte below 126, else two more."""
    assert framed(b"x" * 125)[:2] == b"\x81\x7d"
    assert framed(b"x" * 126)[:4] == b"\x81\x7e\x00\x7e"


def test_each_repetition_has_another_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-1031: no trade is a duplicate."""
    monkeypatch.setattr(websocket_source, "texts", lambda: (b"^20131007^",))
    frames = websocket_source._frames()
    dates = [next(frames)[3:11] for _ in range(400)]
    assert len(set(dates)) == 400
    assert (dates[0], dates[28], dates[336]) == (b"20000101", b"20000201", b"20010101")
