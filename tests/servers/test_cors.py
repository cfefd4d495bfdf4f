"""Pages of other origins in a real browser: what they may read of answers of every kind."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
import uvicorn
from tests.servers.browser import Browser
from tests.servers.gateway_world import TRADES, World, unguarded
from tests.waiting import waited

from veritape.gateway.adapters.key_store import Grant
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.keys import Environment

READ = """
fetch({url!r}, {{cache: {cache!r}, headers: {headers}}}).then(async (answer) => ({{
  status: answer.status, id: answer.headers.get('X-Request-Id'), rate: answer.headers.get('RateLimit'),
  wait: answer.headers.get('Retry-After'), legacy: answer.headers.get('X-Quota-Tier'),
  reason: answer.ok ? '' : (await answer.json()).reason,
}})).catch((error) => ({{failed: error.name}}))
"""


class Page(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def page_origin() -> Iterator[str]:
    """Serve an empty page and give its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Served:
    """A gateway on a real socket, in a thread of its own."""

    def __init__(self, world: World) -> None:
        config = uvicorn.Config(world.gateway, port=0, log_level="critical", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    @property
    def base(self) -> str:
        """Its address, once it listens."""
        assert waited(lambda: self._server.started or not self._thread.is_alive())
        assert self._server.started
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    made = Browser(tmp_path / "profile")
    yield made
    made.close()


def go_to(browser: Browser, origin: str) -> None:
    """Open a page and return once it is there."""
    browser.open(f"{origin}/", 800, dark=False)
    while browser.value("location.origin + document.readyState") != f"{origin}complete":
        assert browser.value("1") == 1


def ask(browser: Browser, url: str, key: str = "", cache: str = "no-store") -> dict[str, Any]:
    """Fetch as the page would; a header of its own needs a preflight."""
    headers = {"X-API-Key": key} if key else {}
    found: dict[str, Any] = browser.value(READ.format(url=url, headers=headers, cache=cache))
    return found


def test_a_page_reads_answers_of_every_kind(browser: Browser, tmp_path: Path) -> None:
    """GW-971, GW-503: 200, 401, 429 and 503 with their exposed fields, after a preflight; another origin reads nothing.

    What the browser keeps of a page for one key is not shown to who sends none.
    """
    with page_origin() as origin, page_origin() as stranger:
        policy = unguarded(shipped_policy()).replace(b"https://app.example.com", origin.encode())
        world = World(tmp_path, policy.replace(b"burst = 150 }", b"burst = 5 }"))
        key = world.key()
        bars = world.key("pro", "bolt", Grant(Environment.LIVE, ("bars:read",)))
        with Served(world) as served:
            url = served.base + TRADES
            go_to(browser, origin)
            good = ask(browser, url, key, "default")
            assert (good["status"], good["reason"]) == (200, "")
            assert good["id"]
            assert good["rate"].startswith('"minute";r=4;')
            assert good["legacy"] is None  # not among the exposed fields
            refusals = [
                ask(browser, url, cache="default"),
                ask(browser, url, "wrong"),
                ask(browser, url, bars),
            ]
            assert [(one["status"], one["reason"]) for one in refusals] == [
                (401, "missing_credentials"), (401, "invalid_key"), (403, "missing_scope"),
            ]  # fmt: skip
            assert [ask(browser, url, key)["status"] for _ in range(4)] == [200] * 4
            full = ask(browser, url, key)
            assert (full["status"], full["reason"]) == (429, "rate_limited")
            assert int(full["wait"]) >= 1
            assert '"minute";r=0' in full["rate"]
            world.finder.keys.forget(lambda _: True)
            world.keys.close()
            gone = ask(browser, url, key)
            assert (gone["status"], gone["reason"], gone["wait"]) == (503, "identity_unavailable", "1")
            assert all(one["id"] for one in (*refusals, full, gone))

            go_to(browser, stranger)
            assert ask(browser, url, key) == {"failed": "TypeError"}
            assert ask(browser, url) == {"failed": "TypeError"}
        world.close()
