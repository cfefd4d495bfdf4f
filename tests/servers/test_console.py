"""The console in Chromium over a real metrics page: live, stale, part down, phone width, dark."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import uvicorn
from tests.servers.browser import Browser

from veritape.apps.console import create_console
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.telemetry import Metric, MetricType, Registry
from veritape.telemetry.metrics import page_metrics
from veritape.telemetry.page import Page
from veritape.telemetry.vectors import Vector

pytestmark = pytest.mark.xdist_group("browser")
"""One worker has them all: they share what is dear to start."""

HOSTILE = '<img src=x onerror="document.title=1">'
TABLES = {
    "symbols": [
        {"code": "990001", "recorded": 24288, "backfilled": 0, "residual": 4},
        {"code": HOSTILE, "recorded": 25350, "backfilled": 0, "residual": 0},
    ],
    "segments": [{"day": "20131007", "name": "09", "hash": "07a4ead480b8"}],
    "receipts": [{"id": "5960c2beb926", "program": "c767f9da3170", "day": "20131007", "kind": "simulated"}],
}


def count(name: str, *labels: tuple[str, tuple[str, ...]]) -> Metric:
    return Metric(name, MetricType.COUNTER, "Counts.", "it happened", labels=labels)


SPEED = Metric("observer_track_b_collection_speed", MetricType.GAUGE, "Trades a second.", "each second")
RECORDED = count("observer_trades_recorded_total", ("venue", ("krx", "nxt")))
RECEIPTS = count("l2_receipts_total", ("kind", ("simulated", "stark")))
DECISIONS, REJECTED = count("rate_limiter_requests_total"), count("rate_limiter_requests_rejected_total")


class Chain:
    """A page that two parts report to, and the console that shows it, in a thread of its own."""

    def __init__(self) -> None:
        registry = Registry((SPEED, RECORDED, RECEIPTS, DECISIONS, REJECTED))
        registry.set(SPEED, 1284.5)
        registry.add(RECORDED, 49638, venue="krx")
        registry.add(RECEIPTS, 3, kind="simulated")
        registry.add(DECISIONS, 120)
        registry.add(REJECTED, 20)
        parts = {"observer": registry, "replay": Registry(())}
        self.page = Page(Registry(page_metrics(tuple(parts), version="1", commit="c", python="3")), parts)
        self.pipes = {part: self.page.add_pipe(part) for part in parts}
        self.down: set[str] = set()
        self.failing = False
        config = uvicorn.Config(
            create_console(self.figures, self.tables, SystemClock()),
            port=0,
            log_level="critical",
            lifespan="off",
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)

    async def figures(self) -> dict[str, Any]:
        if self.failing:
            raise UnavailableError("the metrics page does not answer")
        now_ns = SystemClock().monotonic_ns()
        for part, pipe in self.pipes.items():
            if part not in self.down:
                pipe.receive(Vector(1, 0, tuple(self.page.parts[part].registry.values)), now_ns)
            else:
                pipe.received_ns = 0
        document: dict[str, Any] = json.loads(self.page.document(now_ns, SystemClock().wall_ns()))
        return document

    async def tables(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        return TABLES

    def __enter__(self) -> Self:
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.02)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


@pytest.fixture
def chain() -> Iterator[Chain]:
    with Chain() as one:
        yield one


def pictures(tmp_path: Path) -> Path:
    """Return where screenshots go: a folder to look at when one is named."""
    folder = Path(os.environ.get("VERITAPE_PICTURES", tmp_path))  # noqa: TID251 - a test's own wish
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_live_figures_at_every_width(
    chain: Chain, browser: Browser, tmp_path: Path, width: int, *, dark: bool
) -> None:
    """TL-750, TL-757, TL-760 and TL-765: figures of the live path, no sideways scrolling, light and dark."""
    browser.open(f"{chain.url}/console", width, dark=dark)
    browser.wait_for("document.body.dataset.state === 'live'")
    figure = "document.querySelector('[data-figure=%s]').textContent"
    names = ("trades", "recorded", "receipts", "simulated", "allowed", "limited", "sweeps")
    shown = [browser.value(figure % name) for name in names]
    assert shown == ["1,284.5", "49,638", "3", "3", "100", "20", "\u2013"]
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert "executed, not proven" in browser.value("document.querySelector('#receipts tbody').textContent")
    assert browser.value("document.querySelectorAll('#symbols .wrong').length") == 1
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(19, 20, 22)" if dark else "rgb(251, 251, 249)")
    browser.screenshot(pictures(tmp_path) / f"console-{width}-{'dark' if dark else 'light'}.png")


def test_outside_text_is_text_and_no_other_origin_is_asked(chain: Chain, browser: Browser) -> None:
    """TL-750 and TL-780: no foreign request, no refused one, hostile text does nothing."""
    browser.open("about:blank", 820, dark=False)  # the page before it asks no more
    browser.events.clear()
    browser.open(f"{chain.url}/console", 820, dark=False)
    browser.wait_for("document.body.dataset.state === 'live'")
    assert HOSTILE in browser.value("document.querySelector('#symbols').textContent")
    assert browser.value("document.title") == "veritape"
    asked = {
        event["params"]["request"]["url"]
        for event in browser.events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert asked
    assert all(url.startswith((chain.url, "data:")) for url in asked), asked
    assert [event for event in browser.events if event["method"] == "Log.entryAdded"] == []


def test_what_is_stale_or_down_is_said(chain: Chain, browser: Browser) -> None:
    """TL-775: a part that is down, figures that stopped, and the way back are all said in words."""
    chain.down.add("replay")
    browser.open(f"{chain.url}/console", 1440, dark=False)
    browser.wait_for("document.querySelector('#parts .down')")
    assert browser.value("document.querySelector('#parts .down').textContent") == "replay down"
    browser.wait_for("document.title === '✕ 1 down · veritape'")
    chain.failing = True
    browser.wait_for("document.body.dataset.state === 'stale'")
    assert "s old" in browser.value("document.getElementById('state').textContent")
    assert "does not answer" in browser.value("document.getElementById('banner').textContent")
    chain.failing = False
    browser.wait_for("document.body.dataset.state === 'live' && document.getElementById('banner').hidden")
