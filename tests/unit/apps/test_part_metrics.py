"""A part's metrics: on a page of its own, or through a pipe."""

import asyncio
import gc
import os
import socket
import urllib.request
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S

from veritape.apps.part_metrics import shown_metrics
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.observer.metrics import METRICS, TRADES_RECORDED
from veritape.telemetry import Registry
from veritape.telemetry.metrics import TASK_FAILURES, part_metrics
from veritape.telemetry.vectors import VectorDecoder


def a_registry() -> Registry:
    return Registry((*part_metrics("observer"), *METRICS))


def read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())


async def test_a_part_alone_serves_its_page() -> None:
    """TL-100: the families with their live values, and the part is up."""
    registry = a_registry()
    registry.add(TRADES_RECORDED, 7, venue="krx")
    async with shown_metrics("observer", registry, "127.0.0.1:0", None, SystemClock()) as port:
        assert port
        text = ""
        while 'observer_trades_recorded_total{venue="krx"} 7' not in text:
            text = await asyncio.to_thread(read, port)
            await asyncio.sleep(0.01)
    assert 'veritape_part_up{part="observer"} 1' in text


async def test_a_supervised_part_sends_its_vectors_and_opens_no_port() -> None:
    """TL-120: the last vector is written at the orderly end."""
    registry = a_registry()
    reading, writing = os.pipe()
    async with shown_metrics("observer", registry, "127.0.0.1:0", writing, SystemClock()) as port:
        registry.add(TRADES_RECORDED, 9, venue="krx")
        assert port is None
    vectors = VectorDecoder(a_registry()).feed(os.read(reading, 1 << 16))
    assert vectors[-1].values[registry.index(TRADES_RECORDED, venue="krx")] == 9
    os.close(reading)
    os.close(writing)


async def test_without_address_and_pipe_nothing_is_shown() -> None:
    async with shown_metrics("observer", a_registry(), "", None, SystemClock()) as port:
        assert port is None


async def test_a_busy_port_is_refused_with_its_number() -> None:
    """OB-971: exit 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=str(number)):
            async with shown_metrics("observer", a_registry(), f"127.0.0.1:{number}", None, SystemClock()):
                pass


async def test_the_page_is_exported_and_a_bug_in_a_task_is_counted(tmp_path: Path) -> None:
    """TL-160, TL-200: files at the end; a task that nobody awaits and that ends with a bug counts."""
    registry = a_registry()
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))

    async def bug() -> None:
        raise ZeroDivisionError

    async with shown_metrics(
        "observer", registry, "127.0.0.1:0", None, SystemClock(), tmp_path / "export", tmp_path
    ):
        task = asyncio.create_task(bug())
        await asyncio.wait([task])
        del task
        while not told:
            gc.collect()
            await asyncio.sleep(0.01)
    assert registry.value(TASK_FAILURES, part="observer") == 1
    text = (tmp_path / "export" / "metrics_prometheus.txt").read_text()
    assert 'veritape_part_up{part="observer"}' in text
    asyncio.get_running_loop().set_exception_handler(None)
