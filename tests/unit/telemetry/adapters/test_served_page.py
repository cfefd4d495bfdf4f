"""A metrics page that is served while a context lasts."""

import asyncio
import json
import os
import socket
import urllib.request

import pytest
from tests.ports import kept_port
from tests.waiting import PATIENCE_S, until

from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.telemetry import Registry
from veritape.telemetry.adapters.listener import Address
from veritape.telemetry.adapters.served_page import ended, served_page
from veritape.telemetry.metrics import part_metrics
from veritape.telemetry.vectors import Refusal


def read(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


async def test_the_page_answers_while_the_context_lasts() -> None:
    """TL-100, TL-135: every part is on it, ``/status`` says what it was given, and the port is free afterwards."""
    parts = {part: Registry(part_metrics(part)) for part in ("observer", "gateway")}
    with kept_port() as port:
        async with served_page(parts, Address("127.0.0.1", port), SystemClock(), {"folder": "run"}) as shown:
            text = await asyncio.to_thread(read, shown.port, "/metrics")
            status = json.loads(await asyncio.to_thread(read, port, "/status"))
        with socket.create_server(("127.0.0.1", port)):
            pass
    assert all(f'veritape_part_up{{part="{part}"}} 0' in text for part in parts)
    assert status["folder"] == "run"


async def test_a_refused_vector_is_told() -> None:
    """TL-135: bytes in a part's pipe that are no vector."""
    told: list[tuple[str, Refusal]] = []
    parts = {"observer": Registry(part_metrics("observer"))}
    async with served_page(
        parts, Address("127.0.0.1", 0), SystemClock(), refused=lambda *what: told.append(what)
    ) as shown:
        os.write(shown.receiver.open_pipe("observer"), b"no vector at all")
        await until(lambda: told)
    assert told[0] == ("observer", Refusal.GARBAGE)


async def test_a_busy_port_leaves_nothing_running() -> None:
    """TL-180: the error names the port; no task of the page stays."""
    before = asyncio.all_tasks()
    parts = {"observer": Registry(part_metrics("observer"))}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=str(port)):
            async with served_page(parts, Address("127.0.0.1", port), SystemClock()):
                pass
    assert asyncio.all_tasks() == before


async def test_an_ended_task_is_over() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    await ended(task)  # type: ignore[arg-type]  # its result is nobody's
    assert task.cancelled()
