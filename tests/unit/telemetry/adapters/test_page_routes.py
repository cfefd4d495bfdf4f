"""Every path of the page."""

import json

from veritape.kernel.clock import ManualClock
from veritape.telemetry import Registry
from veritape.telemetry.adapters.page_routes import page_routes
from veritape.telemetry.metrics import page_metrics, part_metrics
from veritape.telemetry.page import Page


def test_every_path_answers() -> None:
    """TL-100, TL-110 and TL-170: text, document, one part's families, health, readiness, status, links."""
    own = Registry(page_metrics(("observer", "gateway"), version="1", commit="c", python="3"))
    page = Page(own, {part: Registry(part_metrics(part)) for part in ("observer", "gateway")})
    routes = page_routes(page, ManualClock(), "1", {"listen": "127.0.0.1:9464"})
    assert set(routes) == {
        "/",
        "/health",
        "/metrics",
        "/metrics.json",
        "/metrics/gateway",
        "/metrics/observer",
        "/ready",
        "/status",
    }
    assert routes["/metrics"]().media_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"veritape_part_up" in routes["/metrics"]().body
    assert b"veritape_part_up" not in routes["/metrics/gateway"]().body
    assert json.loads(routes["/metrics.json"]().body)["part_up"] == {"observer": False, "gateway": False}
    assert routes["/health"]().status == 200
    assert (routes["/ready"]().status, routes["/ready"]().fields) == (503, (("Retry-After", "5"),))
    assert json.loads(routes["/status"]().body)["listen"] == "127.0.0.1:9464"
    assert b'href="/metrics/observer"' in routes["/"]().body
