"""The product's routes: trades, bars, completeness, receipts as JSON pages (GW-741, GW-742).

Prices, sizes and values are decimal texts, times integer nanoseconds UTC. Only what is sealed is served. A handler is a
plain function of the query and a reader; it may block, and runs in a worker thread.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple

from veritape.gateway.cursors import BadCursorError, Position, read_cursor, write_cursor
from veritape.gateway.parameters import CURSOR, DAY, LIMIT, SYMBOL, Parameter
from veritape.gateway.problems import RefusedError
from veritape.gateway.readers import Fetched, Line, Receipt, ReceiptReader, Segment, TapeReader, Totals, Trade
from veritape.gateway.reasons import Reason
from veritape.kernel.canonical import Json, canonical_json

SECOND_NS: Final = 1_000_000_000
"""Nanoseconds in a second."""

INTERVALS: Final[Mapping[str, int]] = {"1s": 1, "5s": 5, "1m": 60, "5m": 300, "1h": 3_600, "1d": 86_400}
"""Bar intervals, seconds."""

BARS_PAGE: Final = 1_000
"""Bars of one page: well below 1 MiB."""

RECEIPTS_PAGE: Final = 100
"""Receipts of one page."""

SPAN_LIMIT_NS: Final = 31 * 86_400 * SECOND_NS
"""Longest time that one query of trades may cover."""

NOT_PROVEN: Final = "executed, not proven"
"""What a simulated receipt is called wherever a person sees it."""

BACKFILL: Final = "backfill"
"""Value of ``include`` with which fetched trades are served too (OB-705)."""

_NANOSECONDS_PATTERN: Final = "[0-9]{1,19}"


class Sources(NamedTuple):
    """What the handlers read; an absent part leaves its routes out."""

    tape: TapeReader | None
    receipts: ReceiptReader | None
    cursor_key: bytes


class Page(NamedTuple):
    """A handler's answer."""

    body: bytes
    """Canonical JSON."""
    etag: str
    """Strong validator of a sealed page; empty when it may still change."""


class Query(NamedTuple):
    """What was asked."""

    path: str
    values: Mapping[str, str]
    """Checked parameters with their defaults, and the path's own as ``rest``."""


Handler = Callable[[Sources, Query], Page]


class ProductRoute(NamedTuple):
    """One route of the product."""

    path: str
    """Pattern, as it stands in the policy."""
    summary: str
    parameters: tuple[Parameter, ...]
    handler: Handler
    reads: str
    """Field of ``Sources`` that it needs."""
    items: Mapping[str, str]
    """Members of an item and their JSON types."""
    optional: frozenset[str] = frozenset()
    """Members that an item may lack."""


def read_trades(sources: Sources, query: Query) -> Page:
    """Answer ``GET /v1/trades``: a symbol's sealed trades in chain order, and behind each day's what was fetched, if asked for."""
    tape, symbol, limit = _tape(sources), query.values["symbol"], int(query.values["limit"])
    start_ns, end_ns, days = _span(tape, query.values)
    fetched = _fetched_of(tape, days, query)
    segments = [segment for day in days for segment in tape.segments(day, symbol)]
    segments = sorted((one for one in (*segments, *fetched) if _touches(one, start_ns, end_ns)), key=_place)
    if not segments:
        raise RefusedError(Reason.NOT_FOUND, "no sealed trades of this symbol in this time")
    items: list[Json] = []
    used: list[Segment] = []
    following: Position | None = None

    def rows_of(segment: Segment) -> Sequence[Trade | Fetched]:
        return fetched[segment] if segment in fetched else tape.trades(segment, symbol)

    for segment, index, trade in _from(rows_of, segments, _position(sources, query)):
        event_ns = segment.midnight_ns + trade.event_s * SECOND_NS + trade.event_us * 1_000
        if not start_ns <= event_ns < end_ns:
            continue
        if len(items) == limit:
            following = (_place(segment), index)
            break
        used += [] if segment in used or segment in fetched else [segment]
        items.append(_item(segment, trade, symbol, event_ns))
    sealed = all(tape.is_sealed(day) for day in days)
    extra: dict[str, Json] = {
        "symbol": symbol,
        "segment": {_place(segment): segment.digest for segment in used},
        "sealed": sealed,
    }
    return _page(sources, query, items, following, extra, sealed=sealed and "include" not in query.values)


def _fetched_of(
    tape: TapeReader, days: Iterable[str], query: Query
) -> dict[Segment, Sequence[Trade | Fetched]]:
    """Return what was fetched of a symbol on some days, where it was asked for."""
    if query.values.get("include") != BACKFILL:
        return {}
    found = (tape.fetched(day, query.values["symbol"]) for day in days)
    return dict(filter(None, found))


def read_bars(sources: Sources, query: Query) -> Page:
    """Answer ``GET /v1/bars``: open, high, low, close over all sealed rows; empty intervals are left out (EX-243)."""
    tape, symbol, day = _tape(sources), query.values["symbol"], query.values["day"]
    segments = tape.segments(day, symbol)
    if not segments:
        raise RefusedError(Reason.NOT_FOUND, "no sealed trades of this symbol on this day")
    rows = [trade for segment in segments for trade in tape.trades(segment, symbol)]
    interval_s = INTERVALS[query.values["interval"]]
    one = segments[0]
    bars = list(make_bars(rows, interval_s, one.midnight_ns, one.price_scale, one.share_scale))
    position = _position(sources, query)
    first = position[1] if position else 0
    sealed = tape.is_sealed(day)
    extra: dict[str, Json] = {
        "symbol": symbol,
        "day": day,
        "segment": {_place(segment): segment.digest for segment in segments},
        "sealed": sealed,
    }
    following = ("bars", first + BARS_PAGE) if first + BARS_PAGE < len(bars) else None
    return _page(sources, query, bars[first : first + BARS_PAGE], following, extra, sealed=sealed)


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
            "start_ns": midnight_ns + number * interval_s * SECOND_NS,
            "open": decimal_text(prices[0], price_scale),
            "high": decimal_text(max(prices), price_scale),
            "low": decimal_text(min(prices), price_scale),
            "close": decimal_text(prices[-1], price_scale),
            "volume": decimal_text(sum(row.shares for row in inside), share_scale),
            "value": decimal_text(sum(row.price * row.shares for row in inside), price_scale + share_scale),
            "trades": len(inside),
        }


def read_completeness(sources: Sources, query: Query) -> Page:
    """Answer ``GET /v1/completeness``: recorded, backfilled, residual of each line, and whether they close."""
    tape, day = _tape(sources), query.values["day"]
    found = tape.completeness(day)
    symbol = query.values.get("symbol")
    lines = [line for line in found.lines if symbol in {None, line.code}] if found else []
    if found is None or not lines:
        raise RefusedError(Reason.NOT_FOUND, "nothing was recorded for this day and symbol")
    sealed = tape.is_sealed(day)
    extra: dict[str, Json] = {
        "day": day,
        "sealed": sealed,
        "closed": all(line.closed for line in lines),
        "as_of_ns": found.as_of_ns,
    }
    scales = found.share_scale, found.value_scale
    return _page(sources, query, [_line(line, scales) for line in lines], None, extra, sealed=False)


def read_receipts(sources: Sources, query: Query) -> Page:
    """Answer ``GET /v1/receipts``: receipts by id, of a program or a day."""
    program, day = query.values.get("program"), query.values.get("day")
    position = _position(sources, query)
    chosen = [
        receipt
        for receipt in _receipts(sources)
        if (program is None or any(claim.program == program for claim in receipt.claims))
        and day in {None, receipt.day}
        and (position is None or receipt.id >= position[0])
    ]
    following = (chosen[RECEIPTS_PAGE].id, 0) if len(chosen) > RECEIPTS_PAGE else None
    items = [_receipt(receipt) for receipt in chosen[:RECEIPTS_PAGE]]
    return _page(sources, query, items, following, {}, sealed=False)


def read_receipt(sources: Sources, query: Query) -> Page:
    """Answer ``GET /v1/receipts/{id}``: one receipt; its file and inclusion proofs exist for proven ones only."""
    for receipt in _receipts(sources):
        if receipt.id == query.values["rest"]:
            return Page(canonical_json(_receipt(receipt)), "")
    raise RefusedError(Reason.NOT_FOUND, "no such receipt, or not of a proven one")


def decimal_text(value: int, scale: int) -> str:
    """Return a scaled integer as a decimal: 12345 with scale 2 is ``123.45``."""
    if scale == 0:
        return str(value)
    digits = f"{value:0{scale + 1}}"
    return f"{digits[:-scale]}.{digits[-scale:]}"


def _tape(sources: Sources) -> TapeReader:
    if sources.tape is None:
        raise RefusedError(Reason.NOT_FOUND)
    return sources.tape


def _receipts(sources: Sources) -> Sequence[Receipt]:
    return sources.receipts.receipts() if sources.receipts else ()


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
    return f"{datetime.fromtimestamp(moment_ns // SECOND_NS, UTC) + timedelta(days=days):%Y%m%d}"


def _touches(segment: Segment, start_ns: int, end_ns: int) -> bool:
    first_ns = segment.midnight_ns + segment.first_s * SECOND_NS
    last_ns = segment.midnight_ns + segment.last_s * SECOND_NS
    return first_ns < end_ns and last_ns >= start_ns


def _place(segment: Segment) -> str:
    return f"{segment.day}/{segment.name}"


def _from(
    rows_of: Callable[[Segment], Sequence[Trade | Fetched]],
    segments: Sequence[Segment],
    position: Position | None,
) -> Iterator[tuple[Segment, int, Trade | Fetched]]:
    """Yield every trade from a position on; files are read one by one as they are needed."""
    name, index = position or ("", 0)
    for segment in segments:
        if _place(segment) >= name:
            first = index if _place(segment) == name else 0
            for place, trade in enumerate(rows_of(segment)):
                if place >= first:
                    yield segment, place, trade


def _position(sources: Sources, query: Query) -> Position | None:
    cursor = query.values.get("cursor")
    if cursor is None:
        return None
    try:
        return read_cursor(sources.cursor_key, query.path, query.values, cursor)
    except BadCursorError as error:
        raise RefusedError(Reason.BAD_PARAMETER, f"cursor: {error}") from error


def _page(
    sources: Sources, query: Query, items: list[Json], following: Position | None, extra: Mapping[str, Json], *,
    sealed: bool,
) -> Page:  # fmt: skip
    cursor = write_cursor(sources.cursor_key, query.path, query.values, following) if following else None
    body = canonical_json({**extra, "items": items, "next_cursor": cursor})
    etag = f'"{hashlib.sha256(query.path.encode() + body).hexdigest()[:32]}"' if sealed else ""
    return Page(body, etag)


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


def _line(line: Line, scales: tuple[int, int]) -> Json:
    return {
        "code": line.code,
        "status": line.status,
        "recorded": _totals(line.recorded, scales),
        "backfilled": _totals(line.backfilled, scales),
        "residual": _totals(line.residual, scales),
        "closed": line.closed,
    }


def _totals(totals: Totals, scales: tuple[int, int]) -> Json:
    """Return the three quantities; null is a size that nobody knows, because the trade is missing."""
    shares, value = (
        None if quantity is None else decimal_text(quantity, scale)
        for quantity, scale in zip(totals[1:], scales, strict=True)
    )
    return {"trades": totals.trades, "shares": shares, "value": value}


def _receipt(receipt: Receipt) -> Json:
    members: dict[str, Json] = {
        "id": receipt.id,
        "kind": receipt.kind,
        "day": receipt.day,
        "created_ns": receipt.created_ns,
        "bytes": receipt.file_bytes,
        "claims": [claim._asdict() for claim in receipt.claims],
    }
    return {**members, "label": NOT_PROVEN} if receipt.kind == "simulated" else members


_INTERVAL: Final = Parameter(
    "interval", "[1-9][smhd]", "Length of a bar.", default="1m", choices=tuple(INTERVALS)
)
_OPTIONAL_DAY: Final = DAY._replace(required=False)
_TEXT, _WHOLE, _BOOLEAN, _OBJECT = "string", "integer", "boolean", "object"

ROUTES: Final[tuple[ProductRoute, ...]] = (
    ProductRoute(
        "/v1/trades", "Sealed trades of a symbol, in chain order.",
        (
            SYMBOL, _OPTIONAL_DAY._replace(description="Business date, YYYYMMDD; or give from and to."),
            Parameter("from", _NANOSECONDS_PATTERN, "Start of the time, nanoseconds UTC."),
            Parameter("to", _NANOSECONDS_PATTERN, "End of the time, nanoseconds UTC, not included."), LIMIT, CURSOR,
            Parameter(
                "include", BACKFILL, "backfill: behind each day also what was missed and fetched, with its source.",
                choices=(BACKFILL,),
            ),
        ),
        read_trades, "tape",
        {
            "code": _TEXT, "sequence": _WHOLE, "record": _WHOLE, "event_ns": _WHOLE, "received_ns": _WHOLE, "price": _TEXT,
            "shares": _TEXT, "side": _WHOLE, "counted": _BOOLEAN, "chain_shares": _TEXT, "chain_epoch": _WHOLE,
            "value_hole": _TEXT, "session": _TEXT, "sells": _WHOLE, "buys": _WHOLE, "trade_id": _TEXT,
            "source": _TEXT, "fetched_ns": _WHOLE, "gap_id": _TEXT, "last_trade_id": _TEXT,
        },
        frozenset({
            "chain_shares", "chain_epoch", "value_hole", "session", "sells", "buys", "trade_id", "sequence", "record",
            "received_ns", "side", "counted", "source", "fetched_ns", "gap_id", "last_trade_id",
        }),
    ),
    ProductRoute(
        "/v1/bars", "Open, high, low, close, volume and value of each interval with trades.",
        (SYMBOL, DAY, _INTERVAL, CURSOR), read_bars, "tape",
        {
            "start_ns": _WHOLE, "open": _TEXT, "high": _TEXT, "low": _TEXT, "close": _TEXT, "volume": _TEXT, "value": _TEXT,
            "trades": _WHOLE,
        },
    ),
    ProductRoute(
        "/v1/completeness", "What was recorded, backfilled and is missing, per symbol.",
        (DAY, SYMBOL._replace(required=False)), read_completeness, "tape",
        {
            "code": _TEXT, "status": _TEXT, "recorded": _OBJECT, "backfilled": _OBJECT, "residual": _OBJECT,
            "closed": _BOOLEAN,
        },
    ),
    ProductRoute(
        "/v1/receipts", "Receipts of computations on the record.",
        (Parameter("program", "[0-9a-f]{1,128}", "Program id."), _OPTIONAL_DAY, CURSOR), read_receipts, "receipts",
        {"id": _TEXT, "kind": _TEXT, "day": _TEXT, "created_ns": _WHOLE, "bytes": _WHOLE, "claims": "array"},
    ),
    ProductRoute("/v1/receipts/{rest...}", "One receipt.", (), read_receipt, "receipts", {}),
)  # fmt: skip
"""Every route of the product."""


def installed(sources: Sources) -> dict[str, ProductRoute]:
    """Return path -> route of those whose source is there."""
    return {route.path: route for route in ROUTES if getattr(sources, route.reads) is not None}
