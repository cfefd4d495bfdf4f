"""Product routes: pages, bars, spans, labels."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import product
from veritape.gateway.problems import RefusedError
from veritape.gateway.product import Page, Query, Sources
from veritape.gateway.readers import (
    Claim,
    DayCompleteness,
    Fetched,
    Line,
    MemoryReceipts,
    MemoryTape,
    Receipt,
    Segment,
    Totals,
    Trade,
)
from veritape.gateway.reasons import Reason

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
    handler = next(route.handler for route in product.ROUTES if route.path == path)
    page = handler(sources, Query(path, values))
    return json.loads(page.body), page


def test_trades_have_decimal_texts_and_nanoseconds() -> None:
    """GW-741: prices and sizes are texts, times integers UTC, the page has the segments' digests."""
    body, page = ask("/v1/trades", {"symbol": SYMBOL, "day": DAY, "limit": "1"})
    assert body["items"] == [
        {
            "code": SYMBOL, "sequence": 5, "record": 0, "event_ns": MIDNIGHT_NS + 32_400 * 10**9,
            "received_ns": 1_381_104_000_000_005_000, "price": "100", "shares": "5", "side": 1, "counted": True,
            "chain_shares": "5", "chain_epoch": 0, "value_hole": "0", "session": "reg", "sells": 1, "buys": 5,
        }
    ]  # fmt: skip
    assert body["segment"] == {"20131007/09": NINE.digest}
    assert body["sealed"]
    assert page.etag.startswith('"')


MISSED = [
    Fetched(32_402, 111, 3, "by_time", 9, "gap1", 8, 0),
    Fetched(36_001, 99, 2, "by_time", 9, "gap2", 14, 0),
]
AFTERWARDS = Segment(DAY, "fetched", "", 0, MIDNIGHT_NS, 0, 86_399)
WITH_FETCHED = SOURCES._replace(
    tape=MemoryTape(
        {(DAY, SYMBOL): [(NINE, MORNING), (TEN, LATER)]},
        {},
        frozenset({DAY}),
        {(DAY, SYMBOL): (AFTERWARDS, MISSED)},
    )
)


def test_fetched_trades_come_only_to_who_asks() -> None:
    """OB-705: behind the day's recorded ones, each with its source; such a page may still change, so it has no validator."""
    values = {"symbol": SYMBOL, "day": DAY, "limit": "100"}
    plain, _ = ask("/v1/trades", values, WITH_FETCHED)
    assert plain == ask("/v1/trades", values)[0]
    body, page = ask("/v1/trades", values | {"include": "backfill"}, WITH_FETCHED)
    assert body["items"][:-2] == plain["items"]
    assert body["items"][-2] == {
        "code": SYMBOL, "event_ns": MIDNIGHT_NS + 32_402 * 10**9, "price": "111", "shares": "3", "chain_shares": "8",
        "chain_epoch": 0, "source": "by_time", "fetched_ns": 9_000, "gap_id": "gap1",
    }  # fmt: skip
    assert (body["segment"], page.etag) == (plain["segment"], "")


@pytest.mark.parametrize("limit", ["1", "2", "3", "4", "5", "6"])
def test_pages_lead_through_fetched_trades_too(limit: str) -> None:
    """OB-705, GW-741: the cursors of any page size, and a span of time."""
    values, seen = {"symbol": SYMBOL, "day": DAY, "limit": limit, "include": "backfill"}, []
    while True:
        body, _ = ask("/v1/trades", values, WITH_FETCHED)
        seen += [item.get("source", "") for item in body["items"]]
        if body["next_cursor"] is None:
            break
        values = {**values, "cursor": body["next_cursor"]}
    assert seen == ["", "", "", "", "by_time", "by_time"]
    start = MIDNIGHT_NS + 32_401 * 10**9
    span = {
        "from": str(start),
        "to": str(start + 2 * 10**9),
        "symbol": SYMBOL,
        "limit": "9",
        "include": "backfill",
    }
    assert [item["price"] for item in ask("/v1/trades", span, WITH_FETCHED)[0]["items"]] == ["110", "111"]


def test_a_day_of_which_only_fetched_trades_are_known_is_found() -> None:
    """OB-705: nothing of it was recorded, and only who asks for what was fetched sees it."""
    sources = SOURCES._replace(tape=MemoryTape({}, {}, frozenset(), {(DAY, SYMBOL): (AFTERWARDS, MISSED)}))
    values = {"symbol": SYMBOL, "day": DAY, "limit": "9"}
    assert len(ask("/v1/trades", values | {"include": "backfill"}, sources)[0]["items"]) == 2
    with pytest.raises(RefusedError):
        ask("/v1/trades", values, sources)


@pytest.mark.parametrize("limit", ["1", "2", "3", "4", "100"])
def test_pages_follow_each_other_without_loss_or_repetition(limit: str) -> None:
    """GW-741: the cursors of any page size lead through every trade once."""
    values, seen = {"symbol": SYMBOL, "day": DAY, "limit": limit}, []
    while True:
        body, _ = ask("/v1/trades", values)
        seen += [item["chain_shares"] for item in body["items"]]
        if body["next_cursor"] is None:
            break
        values = {**values, "cursor": body["next_cursor"]}
    assert seen == ["5", "7", "8", "12"]


def test_a_span_of_time_is_half_open() -> None:
    """GW-741: from is included, to is not; segments outside are not read."""
    start_ns = MIDNIGHT_NS + 32_401 * 10**9
    body, _ = ask(
        "/v1/trades",
        {"symbol": SYMBOL, "from": str(start_ns), "to": str(start_ns + 59 * 10**9), "limit": "10"},
    )
    assert [item["price"] for item in body["items"]] == ["110"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, Reason.BAD_PARAMETER),
        ({"from": "1"}, Reason.BAD_PARAMETER),
        ({"from": "1", "to": "2", "day": DAY}, Reason.BAD_PARAMETER),
        ({"from": "2", "to": "2"}, Reason.BAD_PARAMETER),
        ({"from": "0", "to": str(32 * 86_400 * 10**9)}, Reason.BAD_PARAMETER),
        ({"from": str(2**63 - 5), "to": str(2**63)}, Reason.BAD_PARAMETER),
        ({"from": "1", "to": "2"}, Reason.NOT_FOUND),
        ({"day": "20131008"}, Reason.NOT_FOUND),
        ({"day": DAY, "cursor": "AAAA"}, Reason.BAD_PARAMETER),
    ],
)
def test_trades_that_cannot_be_answered(values: Mapping[str, str], reason: Reason) -> None:
    """GW-741, GW-742: a bad span, a foreign cursor; no data is 404."""
    with pytest.raises(RefusedError) as refusal:
        ask("/v1/trades", {"symbol": SYMBOL, "limit": "10", **values})
    assert refusal.value.reason is reason


def test_bars_cover_every_row() -> None:
    """GW-741: open, high, low, close, volume, value, trades; empty intervals are left out."""
    body, _ = ask("/v1/bars", {"symbol": SYMBOL, "day": DAY, "interval": "1m"})
    assert [tuple(bar.values()) for bar in body["items"]] == [
        ("110", "110", "100", "100", MIDNIGHT_NS + 32_400 * 10**9, 2, "720", "7"),
        ("90", "90", "90", "90", MIDNIGHT_NS + 32_460 * 10**9, 1, "90", "1"),
        ("105", "105", "105", "105", MIDNIGHT_NS + 36_000 * 10**9, 1, "420", "4"),
    ]
    day, _ = ask("/v1/bars", {"symbol": SYMBOL, "day": DAY, "interval": "1d"})
    assert day["items"][0]["start_ns"] == MIDNIGHT_NS
    with pytest.raises(RefusedError):
        ask("/v1/bars", {"symbol": "X", "day": DAY, "interval": "1m"})


def test_bars_are_paged() -> None:
    """GW-741: 1,001 seconds with trades make two pages."""
    rows = [trade(32_400 + second, 1, 1, second + 1) for second in range(1_001)]
    sources = SOURCES._replace(tape=MemoryTape({(DAY, SYMBOL): [(NINE, rows)]}))
    values = {"symbol": SYMBOL, "day": DAY, "interval": "1s"}
    first, page = ask("/v1/bars", values, sources)
    second, _ = ask("/v1/bars", {**values, "cursor": first["next_cursor"]}, sources)
    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (1_000, 1, None)
    assert (first["sealed"], page.etag) == (False, "")


@given(st.lists(st.tuples(st.integers(0, 86_399), st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1))
def test_bars_of_any_interval_add_up_to_the_rows(rows: list[tuple[int, int, int]]) -> None:
    """GW-741: volume, value and trades are kept whatever the interval."""
    trades = [trade(event_s, price, shares, index) for index, (event_s, price, shares) in enumerate(rows)]
    for interval_s in product.INTERVALS.values():
        bars: list[Any] = list(product.make_bars(trades, interval_s, 0, 0))
        assert sum(int(bar["volume"]) for bar in bars) == sum(row[2] for row in rows)
        assert sum(int(bar["value"]) for bar in bars) == sum(row[1] * row[2] for row in rows)
        assert sum(bar["trades"] for bar in bars) == len(rows)


def test_completeness_of_a_day_and_of_a_symbol() -> None:
    """GW-741: recorded, backfilled, residual in trades, shares, value; closed per line and for what was asked."""
    body, _ = ask("/v1/completeness", {"day": DAY})
    assert [(item["code"], item["closed"]) for item in body["items"]] == [(SYMBOL, True), ("000660", False)]
    assert not body["closed"]
    body, page = ask("/v1/completeness", {"day": DAY, "symbol": SYMBOL})
    assert body["items"][0]["recorded"] == {"trades": 4, "shares": "12", "value": "1000"}
    assert (body["closed"], page.etag) == (True, "")
    for values in ({"day": "20131008"}, {"day": DAY, "symbol": "X"}):
        with pytest.raises(RefusedError):
            ask("/v1/completeness", values)


def test_a_simulated_receipt_is_labelled() -> None:
    """GW-742: "executed, not proven" wherever a simulated receipt is shown."""
    body, _ = ask("/v1/receipts", {})
    assert [(item["id"], item["kind"], item.get("label")) for item in body["items"]] == [
        ("r1", "simulated", "executed, not proven"),
        ("r2", "stark", None),
    ]
    assert [item["id"] for item in ask("/v1/receipts", {"day": DAY, "program": "ab"})[0]["items"]] == ["r1"]
    assert ask("/v1/receipts", {"program": "ff"})[0]["items"] == []
    assert ask("/v1/receipts/{rest...}", {"rest": "r1"})[0]["label"] == "executed, not proven"
    with pytest.raises(RefusedError):
        ask("/v1/receipts/{rest...}", {"rest": "r1/file"})


def test_receipts_are_paged() -> None:
    many = MemoryReceipts([RECEIPT._replace(id=f"r{index:03}") for index in range(101)])
    first, _ = ask("/v1/receipts", {}, SOURCES._replace(receipts=many))
    second, _ = ask("/v1/receipts", {"cursor": first["next_cursor"]}, SOURCES._replace(receipts=many))
    assert (len(first["items"]), [item["id"] for item in second["items"]]) == (100, ["r100"])


def test_an_absent_source_leaves_its_routes_out() -> None:
    """GW-741: only what is there is served."""
    assert set(product.installed(SOURCES)) == {route.path for route in product.ROUTES}
    assert set(product.installed(SOURCES._replace(tape=None))) == {"/v1/receipts", "/v1/receipts/{rest...}"}
    with pytest.raises(RefusedError):
        ask("/v1/completeness", {"day": DAY}, SOURCES._replace(tape=None))


def test_scaled_integers_as_decimals() -> None:
    assert [product.decimal_text(value, scale) for value, scale in ((5, 0), (12_345, 2), (5, 2), (0, 1))] == [
        "5",
        "123.45",
        "0.05",
        "0.0",
    ]
