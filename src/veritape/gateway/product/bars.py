"""``GET /v1/bars``: open, high, low, close, volume and value of each interval of a symbol's day."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final

from veritape.gateway.problems import RefusedError
from veritape.gateway.product.pages import (
    Page,
    Query,
    Sources,
    decimal_text,
    make_page,
    place_of,
    position_of,
    tape_of,
)
from veritape.gateway.readers import Trade
from veritape.gateway.reasons import Reason
from veritape.kernel.canonical import Json
from veritape.kernel.clock import NANOSECONDS

INTERVALS: Final[Mapping[str, int]] = {"1s": 1, "5s": 5, "1m": 60, "5m": 300, "1h": 3_600, "1d": 86_400}
"""Bar intervals, seconds."""

BARS_PAGE: Final = 1_000
"""Bars of one page: well below 1 MiB."""


def read_bars(sources: Sources, query: Query) -> Page:
    """Answer ``GET /v1/bars``: open, high, low, close over all sealed rows; empty intervals are left out (EX-243)."""
    tape, symbol, day = tape_of(sources), query.values["symbol"], query.values["day"]
    segments = tape.segments(day, symbol)
    if not segments:
        raise RefusedError(Reason.NOT_FOUND, "no sealed trades of this symbol on this day")
    rows = [trade for segment in segments for trade in tape.trades(segment, symbol)]
    interval_s = INTERVALS[query.values["interval"]]
    one = segments[0]
    bars = list(make_bars(rows, interval_s, one.midnight_ns, one.price_scale, one.share_scale))
    position = position_of(sources, query)
    first = position[1] if position else 0
    sealed = tape.is_sealed(day)
    extra: dict[str, Json] = {
        "symbol": symbol,
        "day": day,
        "segment": {place_of(segment): segment.digest for segment in segments},
        "sealed": sealed,
    }
    following = ("bars", first + BARS_PAGE) if first + BARS_PAGE < len(bars) else None
    return make_page(sources, query, bars[first : first + BARS_PAGE], following, extra, sealed=sealed)


def make_bars(
    rows: Iterable[Trade], interval_s: int, midnight_ns: int, price_scale: int, share_scale: int = 0
) -> Iterator[Json]:
    """Yield the bars of a symbol's day.

    Args:
        rows: its trades, in any order.
        interval_s: seconds of a bar.
        midnight_ns: the venue's midnight, UTC.
        price_scale: decimals of prices.
        share_scale: decimals of sizes.
    """
    in_order = sorted(
        rows,
        key=lambda row: (row.event_s // interval_s, row.chain_epoch, row.chain_shares, row.trade_id or 0),
    )
    for number, group in groupby(in_order, key=lambda row: row.event_s // interval_s):
        inside = list(group)
        prices = [row.price for row in inside]
        yield {
            "start_ns": midnight_ns + number * interval_s * NANOSECONDS,
            "open": decimal_text(prices[0], price_scale),
            "high": decimal_text(max(prices), price_scale),
            "low": decimal_text(min(prices), price_scale),
            "close": decimal_text(prices[-1], price_scale),
            "volume": decimal_text(sum(row.shares for row in inside), share_scale),
            "value": decimal_text(sum(row.price * row.shares for row in inside), price_scale + share_scale),
            "trades": len(inside),
        }
