"""A product to ask: a day of two segments and two receipts, in memory."""

import json
from collections.abc import Mapping
from typing import Any

from veritape.gateway.product.pages import Page, Query, Sources
from veritape.gateway.product.routes import ROUTES
from veritape.gateway.readers import (
    Claim,
    DayCompleteness,
    Line,
    MemoryReceipts,
    MemoryTape,
    Receipt,
    Segment,
    Totals,
    Trade,
)

DAY, SYMBOL = "20131007", "005930"
MIDNIGHT_NS = 1_381_071_600 * 10**9
NINE, TEN = (
    Segment(DAY, f"{hour:02}", f"{hour:064}", 0, MIDNIGHT_NS, hour * 3_600, hour * 3_600 + 3_599)
    for hour in (9, 10)
)


def trade(event_s: int, price: int, shares: int, chain: int) -> Trade:
    return Trade(
        chain, 0, event_s, 1_381_104_000_000_000 + chain, price, shares, 1, True, chain, 0, 0, "reg", 1, chain
    )


MORNING = [trade(32_400, 100, 5, 5), trade(32_401, 110, 2, 7), trade(32_460, 90, 1, 8)]
LATER = [trade(36_000, 105, 4, 12)]
LINE = Line(SYMBOL, "complete", Totals(4, 12, 1_000), Totals(0, 0, 0), Totals(0, 0, 0), True)
RECEIPT = Receipt("r1", "simulated", DAY, 7, 100, (Claim("ab", "cd", "ef"),))
SOURCES = Sources(
    MemoryTape(
        {(DAY, SYMBOL): [(NINE, MORNING), (TEN, LATER)]},
        {DAY: DayCompleteness(True, 9, (LINE, LINE._replace(code="000660", closed=False)))},
        frozenset({DAY}),
    ),
    MemoryReceipts([RECEIPT, RECEIPT._replace(id="r2", kind="stark", day="")]),
    b"k" * 32,
)


def ask(path: str, values: Mapping[str, str], sources: Sources = SOURCES) -> tuple[dict[str, Any], Page]:
    handler = next(route.handler for route in ROUTES if route.path == path)
    page = handler(sources, Query(path, values))
    return json.loads(page.body), page
