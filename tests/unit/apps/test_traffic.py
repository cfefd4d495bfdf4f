"""The demo's customers: what they send, and how answers are counted."""

from collections import Counter

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from veritape.apps import traffic


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, "allowed"), (204, "allowed"), (304, "errors"), (404, "errors"), (429, "limited"), (503, "errors")],
)
def test_an_answer_is_counted_by_its_status(status: int, expected: str) -> None:
    assert traffic.outcome(status) == expected


async def test_both_customers_are_counted_and_the_free_one_meets_its_limit() -> None:
    seen: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        key = request.headers["X-API-Key"]
        seen[key] += 1
        return web.Response(status=429 if key == "free-key" and seen[key] > 150 else 200)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        counts = await traffic.visit(
            str(server.make_url("")), {"free": "free-key", "pro": "pro-key"}, ["A", "B"], "20131007"
        )
    assert seen == {"pro-key": 8, "free-key": traffic.FREE_REQUESTS}
    assert counts == {"requests": 208, "allowed": 158, "limited": 50, "errors": 0}


async def test_a_gateway_that_is_gone_counts_as_errors(unused_tcp_port: int) -> None:
    counts = await traffic.send(f"http://127.0.0.1:{unused_tcp_port}", "key", ["/v1/receipts"] * 3)
    assert counts == {"errors": 3}


async def test_a_page_is_read_whole() -> None:
    app = web.Application()

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="# TYPE a counter")

    app.router.add_get("/metrics", page)
    async with TestServer(app) as server:
        assert await traffic.page_text(str(server.make_url("/metrics"))) == "# TYPE a counter"
