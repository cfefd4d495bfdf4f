"""Bars: every row in one, whatever the interval."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.product_world import DAY, MIDNIGHT_NS, NINE, SOURCES, SYMBOL, ask, trade

from veritape.gateway.problems import RefusedError
from veritape.gateway.product.bars import INTERVALS, make_bars
from veritape.gateway.readers import MemoryTape


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
    for interval_s in INTERVALS.values():
        bars: list[Any] = list(make_bars(trades, interval_s, 0, 0))
        assert sum(int(bar["volume"]) for bar in bars) == sum(row[2] for row in rows)
        assert sum(int(bar["value"]) for bar in bars) == sum(row[1] * row[2] for row in rows)
        assert sum(bar["trades"] for bar in bars) == len(rows)
