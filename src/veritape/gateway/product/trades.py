"""``GET /v1/trades``: a symbol's sealed trades of a day or a span of time, and on request what was fetched."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from veritape.gateway.cursors import Position
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
from veritape.gateway.readers import Fetched, Segment, TapeReader, Trade
from veritape.gateway.reasons import Reason
from veritape.kernel.canonical import Json
from veritape.kernel.clock import NANOSECONDS

SPAN_LIMIT_NS: Final = 31 * 86_400 * NANOSECONDS
"""Longest time that one query of trades may cover."""

BACKFILL: Final = "backfill"
"""Value of ``include`` with which fetched trades are served too (OB-705)."""


def read_trades(sources: Sources, query: Query) -> Page:
    """Answer ``GET /v1/trades``: a symbol's sealed trades in chain order, and behind each day's what was fetched, if asked for."""
    tape, symbol, limit = tape_of(sources), query.values["symbol"], int(query.values["limit"])
    start_ns, end_ns, days = _span(tape, query.values)
    fetched = _fetched_of(tape, days, query)
    segments = [segment for day in days for segment in tape.segments(day, symbol)]
    segments = sorted((one for one in (*segments, *fetched) if _touches(one, start_ns, end_ns)), key=place_of)
    if not segments:
        raise RefusedError(Reason.NOT_FOUND, "no sealed trades of this symbol in this time")
    items: list[Json] = []
    used: list[Segment] = []
    following: Position | None = None

    def rows_of(segment: Segment) -> Sequence[Trade | Fetched]:
        return fetched[segment] if segment in fetched else tape.trades(segment, symbol)

    for segment, index, trade in _from(rows_of, segments, position_of(sources, query)):
        event_ns = segment.midnight_ns + trade.event_s * NANOSECONDS + trade.event_us * 1_000
        if not start_ns <= event_ns < end_ns:
            continue
        if len(items) == limit:
            following = (place_of(segment), index)
            break
        used += [] if segment in used or segment in fetched else [segment]
        items.append(_item(segment, trade, symbol, event_ns))
    sealed = all(tape.is_sealed(day) for day in days)
    extra: dict[str, Json] = {
        "symbol": symbol,
        "segment": {place_of(segment): segment.digest for segment in used},
        "sealed": sealed,
    }
    return make_page(sources, query, items, following, extra, sealed=sealed and "include" not in query.values)


def _fetched_of(
    tape: TapeReader, days: Iterable[str], query: Query
) -> dict[Segment, Sequence[Trade | Fetched]]:
    """Return what was fetched of a symbol on some days, where it was asked for."""
    if query.values.get("include") != BACKFILL:
        return {}
    found = (tape.fetched(day, query.values["symbol"]) for day in days)
    return dict(filter(None, found))


def _span(tape: TapeReader, values: Mapping[str, str]) -> tuple[int, int, list[str]]:
    """Return the half-open span of time that was asked for, and the days with data that it may touch."""
    day, start, end = values.get("day"), values.get("from"), values.get("to")
    if day is not None and start is None and end is None:
        return 0, 2**63, [day]
    if day is not None or start is None or end is None:
        raise RefusedError(Reason.BAD_PARAMETER, "day: give either day, or from and to")
    start_ns, end_ns = int(start), int(end)
    if not start_ns < end_ns <= start_ns + SPAN_LIMIT_NS or end_ns >= 2**63:
        raise RefusedError(Reason.BAD_PARAMETER, "to: later than from, by at most 31 days")
    first, last = _date(start_ns, -1), _date(end_ns, 1)
    return start_ns, end_ns, [one for one in tape.days() if first <= one <= last]


def _date(moment_ns: int, days: int) -> str:
    """Return the date, UTC, some days away from a moment: the venue's date differs by at most one."""
    return f"{datetime.fromtimestamp(moment_ns // NANOSECONDS, UTC) + timedelta(days=days):%Y%m%d}"


def _touches(segment: Segment, start_ns: int, end_ns: int) -> bool:
    first_ns = segment.midnight_ns + segment.first_s * NANOSECONDS
    last_ns = segment.midnight_ns + segment.last_s * NANOSECONDS
    return first_ns < end_ns and last_ns >= start_ns


def _from(
    rows_of: Callable[[Segment], Sequence[Trade | Fetched]],
    segments: Sequence[Segment],
    position: Position | None,
) -> Iterator[tuple[Segment, int, Trade | Fetched]]:
    """Yield every trade from a position on; files are read one by one as they are needed."""
    name, index = position or ("", 0)
    for segment in segments:
        if place_of(segment) >= name:
            first = index if place_of(segment) == name else 0
            for place, trade in enumerate(rows_of(segment)):
                if place >= first:
                    yield segment, place, trade


def _item(segment: Segment, trade: Trade | Fetched, symbol: str, event_ns: int) -> Json:
    """Return an item of trades; only one that was fetched says from where."""
    if isinstance(trade, Trade):
        return _trade(segment, trade, symbol, event_ns)
    item: dict[str, Json] = {
        "code": symbol,
        "event_ns": event_ns,
        "price": decimal_text(trade.price, segment.price_scale),
        "shares": decimal_text(trade.shares, segment.share_scale),
        "source": trade.source,
        "fetched_ns": trade.fetched_us * 1_000,
        "gap_id": trade.gap_id,
    }
    if trade.trade_id is not None:
        return {**item, "trade_id": str(trade.trade_id), "last_trade_id": str(trade.last_id)}
    return {**item, "chain_shares": str(trade.chain_shares), "chain_epoch": trade.chain_epoch}


def _trade(segment: Segment, trade: Trade, symbol: str, event_ns: int) -> Json:
    item: dict[str, Json] = {
        "code": symbol,
        "sequence": trade.sequence,
        "record": trade.record,
        "event_ns": event_ns,
        "received_ns": trade.received_us * 1_000,
        "price": decimal_text(trade.price, segment.price_scale),
        "shares": decimal_text(trade.shares, segment.share_scale),
        "side": trade.side,
        "counted": trade.counted,
    }
    if trade.trade_id is not None:
        return {**item, "trade_id": str(trade.trade_id)}
    return {
        **item,
        "chain_shares": str(trade.chain_shares),
        "chain_epoch": trade.chain_epoch,
        "value_hole": decimal_text(trade.value_hole, segment.price_scale),
        "session": trade.session,
        "sells": trade.sells,
        "buys": trade.buys,
    }
