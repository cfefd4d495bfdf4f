"""The paths of the page's listener (TL-100, TL-110)."""

import html
import json
from collections.abc import Callable, Mapping
from functools import partial

from veritape.kernel.clock import Clock
from veritape.telemetry.adapters.listener import Answer, Routes
from veritape.telemetry.exposition import CONTENT_TYPE
from veritape.telemetry.health import RETRY_SECONDS, health, ready
from veritape.telemetry.page import Page

JSON = "application/json"
"""Media type of documents for scripts."""

HTML = "text/html; charset=utf-8"
"""Media type of the page of links."""


def page_routes(page: Page, clock: Clock, version: str, status: Mapping[str, object]) -> Routes:
    """Return the table of paths.

    Args:
        page: the merge of all parts.
        clock: for ages.
        version: of the product.
        status: what ``/status`` says beside the parts: addresses and folder; no secret.
    """
    started_ns = clock.monotonic_ns()

    def documented(answer: tuple[int, bytes]) -> Answer:
        fields = () if answer[0] == 200 else (("Retry-After", str(RETRY_SECONDS)),)  # noqa: PLR2004 - HTTP's OK
        return Answer(answer[1], JSON, answer[0], fields)

    def text(part: str | None = None) -> Answer:
        return Answer(page.text(clock.monotonic_ns(), part), CONTENT_TYPE)

    def state() -> Answer:
        body = {"version": version, "parts": page.part_up(clock.monotonic_ns()), **status}
        return Answer(json.dumps(body).encode(), JSON)

    routes: dict[str, Callable[[], Answer]] = {
        "/metrics": text,
        "/metrics.json": lambda: Answer(page.document(clock.monotonic_ns(), clock.wall_ns()), JSON),
        "/health": lambda: documented(health(page.parts, clock.monotonic_ns(), started_ns, version)),
        "/ready": lambda: documented(ready(page.parts, clock.monotonic_ns(), started_ns)),
        "/status": state,
    }
    routes |= {f"/metrics/{part}": partial(text, part) for part in page.parts}
    links = "".join(f'<li><a href="{html.escape(path)}">{html.escape(path)}</a></li>' for path in routes)
    index = f'<!doctype html><html lang="en"><title>veritape</title><h1>veritape</h1><ul>{links}</ul></html>'
    routes["/"] = lambda: Answer(index.encode(), HTML)
    return routes
