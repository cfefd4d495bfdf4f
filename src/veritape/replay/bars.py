"""Minute bars as the broker answers them (KIS-063 to 065): newest first, whole minutes, the running one as far as it is.

A day of the past traded the same tape: every weekday of the year before the played day answers with its bars. A minute
without a trade repeats the price before it; before the first trade there is no bar.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, NamedTuple

from veritape.replay.rendering import clock_text
from veritape.replay.schedule import MINUTE_MS, SATURDAY
from veritape.replay.series import Series

KEPT_DAYS: Final = 365
"""How far back bars are kept: about a year."""


class Bar(NamedTuple):
    """One minute."""

    minute_ms: int
    """Its beginning, milliseconds since midnight in Seoul."""
    opening: int
    """Won."""
    high: int
    """Won."""
    low: int
    """Won."""
    close: int
    """Won."""
    shares: int
    """Shares of the minute."""
    chain_value: int
    """Won since the day began."""


def bar(series: Series, minute_ms: int, now_ms: int) -> Bar | None:
    """Return the bar of a minute as it is now; None before the day's first trade."""
    first = series.happened(minute_ms - 1)
    end = series.happened(min(now_ms, minute_ms + MINUTE_MS - 1))
    if not end:
        return None
    last = series.trades[end - 1]
    trades = series.trades[first:end] or (last,)
    prices = [trade.price for trade in trades]
    shares = sum(trade.shares for trade in trades) if end > first else 0
    return Bar(minute_ms, prices[0], max(prices), min(prices), last.price, shares, last.chain_value)


def bars_back(series: Series, asked_ms: int, now_ms: int) -> Iterator[Bar]:
    """Yield the bars at or before a time, newest first."""
    minute_ms = min(asked_ms, now_ms) // MINUTE_MS * MINUTE_MS
    while (one := bar(series, minute_ms, now_ms)) is not None:
        yield one
        minute_ms -= MINUTE_MS


def padded(series: Series, asked_ms: int, now_ms: int) -> Iterator[Bar]:
    """Yield bars as the vendor warns of them (KIS-064).

    Minutes after now come at the current price; the running minute, until its first trade, with the volume of the minute
    before it.
    """
    found = bars_back(series, asked_ms, now_ms)
    running = next(found, None)
    if running is None:
        return
    last_ms = asked_ms // MINUTE_MS * MINUTE_MS
    for minute_ms in range(last_ms, running.minute_ms, -MINUTE_MS):
        price = running.close
        yield Bar(minute_ms, price, price, price, price, 0, running.chain_value)
    before = bar(series, running.minute_ms - MINUTE_MS, now_ms)
    yield running._replace(shares=before.shares) if before and not running.shares else running
    yield from found


def bar_row(one: Bar, day: str, *, label_end: bool) -> dict[str, str]:
    """Return a bar as the wire has it."""
    return {
        "stck_bsop_date": day,
        "stck_cntg_hour": clock_text(one.minute_ms + (MINUTE_MS if label_end else 0)),
        "stck_oprc": str(one.opening),
        "stck_hgpr": str(one.high),
        "stck_lwpr": str(one.low),
        "stck_prpr": str(one.close),
        "cntg_vol": str(one.shares),
        "acml_tr_pbmn": str(one.chain_value),
    }


def session_before(day: str) -> str:
    """Return the weekday before a date."""
    one = _date(day) - timedelta(days=1)
    while one.weekday() >= SATURDAY:
        one -= timedelta(days=1)
    return one.strftime("%Y%m%d")


def is_kept(day: str, today: str) -> bool:
    """Tell whether bars of a date are there: a weekday of the year up to today."""
    try:
        age = _date(today) - _date(day)
    except ValueError:
        return False
    return 0 <= age.days <= KEPT_DAYS and _date(day).weekday() < SATURDAY


def _date(day: str) -> date:
    return date(int(day[:4]), int(day[4:6]), int(day[6:]))
