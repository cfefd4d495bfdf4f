"""Trades: items, spans of time, pages, and what was fetched."""

from collections.abc import Mapping

import pytest
from tests.product_world import DAY, LATER, MIDNIGHT_NS, MORNING, NINE, SOURCES, SYMBOL, TEN, ask

from veritape.gateway.problems import RefusedError
from veritape.gateway.readers import Fetched, MemoryTape, Segment
from veritape.gateway.reasons import Reason


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
