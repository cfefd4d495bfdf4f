"""What is complete and what is missing of a line: the statement and its forms (OB-902, OB-905, OB-614).

A line closes when recorded + backfilled + residual trades are as many as there are ids between its anchors: the trade before
the first one, and the last one. The recorded and fetched trades are counted one by one, the residual follows from the holes,
the anchors from the venue or from the neighbouring day: sources of their own, so that the equation can fail. In quantity and
value the line closes once nothing is missing; before that, what a missing trade moved is unknown and is not guessed.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from veritape.observer.audit import Status
from veritape.observer.binance.books import Book
from veritape.observer.binance.lines import ZERO, Line, Problem, Span, Symbol, Totals
from veritape.observer.binance.recorder import BinanceRecorder
from veritape.observer.binance.trade_ids import DAY_US, Hole, Point, day_start_us, utc_day
from veritape.observer.gaps import Cause, State, gap_id
from veritape.wire.binance.streams import PRICE_SCALE

FORMAT: Final = "veritape.audit.binance.v1"
"""Name of the JSON document."""

VENUE: Final = "BINANCE"
"""Name of the venue."""

CONTRADICTIONS: Final = frozenset(
    {Problem.FILL_CONTRADICTION, Problem.DAY_START_CONTRADICTION, Problem.BAR_CONTRADICTION}
)
"""Problems of which both sides cannot be true."""


class Gap(NamedTuple):
    """Missing trades of one line."""

    first_id: int
    last_id: int
    left: Point
    """Last known trade before it."""
    right: Point
    """First known trade behind it, or the venue's newest."""
    cause: Cause

    @property
    def trades(self) -> int:
        """Return how many are missing."""
        return self.last_id - self.first_id + 1


class Statement(NamedTuple):
    """One line's figures."""

    line: Line
    first_id: int | None
    """First trade of the line: of the day, or of the recording that began on it; None while unknown."""
    last_id: int | None
    """Last trade of the line; None while unknown."""
    gaps: tuple[Gap, ...]
    exact: bool
    """Whether every missing trade is known to belong to this day."""
    status: Status

    @property
    def residual(self) -> int:
        """Return how many trades are missing."""
        return sum(gap.trades for gap in self.gaps)

    @property
    def end_trades(self) -> int | None:
        """Return how many trades lie between the anchors, None without both."""
        if self.first_id is None or self.last_id is None:
            return None
        return self.last_id - self.first_id + 1

    @property
    def closes(self) -> bool:
        """Tell whether recorded + backfilled + residual are the trades between the anchors (OB-606)."""
        known = self.line.recorded.trades + self.line.backfilled.trades
        return self.end_trades == known + self.residual


def state(recorder: BinanceRecorder, code: str, day: str) -> Statement:
    """Return the statement of one line; nothing is changed."""
    symbol = recorder.symbol(code)
    line, first_id, last_id = symbol.line(day), symbol.axis.first_of(day), _last_of(symbol, day)
    events = [*_unwatched(symbol.watches), *recorder.quarantined]
    found = [(hole, *_part_of(hole, day, first_id, last_id)) for hole in symbol.axis.holes()]
    spans = [(hole.left, hole.right, low, high) for hole, low, high in found if low <= high]
    tail = _tail(symbol, first_id, last_id)
    gaps = tuple(
        Gap(low, high, left, right, _cause(left, right, events)) for left, right, low, high in (*spans, *tail)
    )
    exact = first_id is not None or not any(gap.left.event_us < day_start_us(day) for gap in gaps)
    statement = Statement(line, first_id, last_id, gaps, exact, Status.UNPROVEN)
    return statement._replace(status=_status(symbol, statement))


def document(
    recorder: BinanceRecorder, day: str, generated_ns: int, codes: Iterable[str] | None = None
) -> dict[str, Any]:
    """Return the JSON form of a day.

    Args:
        recorder: with the day in memory.
        day: YYYYMMDD, UTC.
        generated_ns: wall clock.
        codes: symbols to report; all that have a line when None.
    """
    having = {code for code, symbol in recorder.symbols.items() if day in symbol.lines}
    chosen = sorted(having if codes is None else having & set(codes))
    statements = [state(recorder, code, day) for code in chosen]
    closed_ns = recorder.days[day].closed_ns if day in recorder.days else None
    recorded = backfilled = ZERO
    for statement in statements:
        recorded = recorded.plus(statement.line.recorded)
        backfilled = backfilled.plus(statement.line.backfilled)
    return {
        "format": FORMAT,
        "day": day,
        "venue": VENUE,
        "generated_ns": generated_ns,
        "price_scale": PRICE_SCALE,
        "closed": bool(statements) and all(statement.closes for statement in statements),
        "totals": {
            "recorded": _totals(recorded),
            "backfilled": _totals(backfilled),
            "residual": {"trades": sum(statement.residual for statement in statements)},
        },
        "lines": [
            _line(recorder.symbols[statement.line.code], statement, closed_ns) for statement in statements
        ],
    }


def text(audit: Mapping[str, Any], last_seal: str) -> str:
    """Return the form for people: one row a line sorted by status and code, then the verdict."""
    lines = sorted(audit["lines"], key=lambda line: (line["status"], line["code"]))
    anchored = sum(None not in line["anchors"].values() for line in lines)
    head = (
        f"day {audit['day']} UTC  venue {VENUE}  anchored {anchored}/{len(lines)}"
        f"  duplicates {sum(line['duplicates'] for line in lines)}  last seal {last_seal[:8] or '-'}"
    )
    columns = (
        f"{'code':12} {'status':19} {'trades':>11} {'recorded':>11} {'backfilled':>10} {'residual':>8}"
        f" {'quantity known':>24}  {'book':>14}  {'skew ms':>15}  watched"
    )
    totals = audit["totals"]
    verdict = "every line closes" if audit["closed"] else "NOT every line closes"
    total = (
        f"total   {verdict}: recorded {totals['recorded']['trades']:,}, backfilled {totals['backfilled']['trades']:,},"
        f" residual {totals['residual']['trades']:,} trades"
    )
    return "\n".join([head, columns, *(_text_row(line) for line in lines), total])


def _last_of(symbol: Symbol, day: str) -> int | None:
    """Return the id of a day's last trade, or of the newest that the venue named of it; None while unknown."""
    for later in sorted(one for one in symbol.axis.day_starts if one > day):
        between = [one for name, one in symbol.lines.items() if day < name < later]
        if all(one.last is None for one in between):
            return symbol.axis.day_starts[later] - 1
        return None
    tip, last = symbol.tips.get(day), symbol.line(day).last
    return tip.trade_id if tip is not None and (last is None or last.trade_id <= tip.trade_id) else None


def _part_of(hole: Hole, day: str, first_id: int | None, last_id: int | None) -> tuple[int, int]:
    """Return the first and last id of a hole that lie on a day; an empty span where none does."""
    left, right = utc_day(hole.left.event_us), utc_day(hole.right.event_us)
    if not left <= day <= right:
        return 1, 0
    if first_id is None and left < day:
        return hole.first_id, hole.last_id  # midnight lies somewhere in it
    low = hole.first_id if first_id is None else max(hole.first_id, first_id)
    if right == day:
        return low, hole.last_id
    return (low, min(hole.last_id, last_id)) if last_id is not None else (1, 0)


def _tail(symbol: Symbol, first_id: int | None, last_id: int | None) -> list[tuple[Point, Point, int, int]]:
    """Return what lies between the highest known trade and the venue's newest."""
    end, tip = symbol.axis.end, max(symbol.tips.values(), default=None)
    if end is None or tip is None or last_id is None or last_id <= end.trade_id:
        return []
    return [(end, tip, max(end.trade_id + 1, first_id or 0), last_id)]


def _unwatched(watches: Iterable[Span]) -> list[Span]:
    """Return the spans between the watches, each with the cause of the end before it."""
    spans, start_ns, cause = [], 0, Cause.NOT_WATCHED
    for watch in watches:
        spans.append(Span(start_ns, watch.start_ns, cause))
        if watch.end_ns is None:
            return spans
        start_ns, cause = watch.end_ns, watch.cause or Cause.NOT_WATCHED
    return [*spans, Span(start_ns, None, cause)]


def _cause(left: Point, right: Point, events: Iterable[Span]) -> Cause:
    """Return why: of the events that overlap the gap by our own clock the one that began last (OB-673)."""
    overlapping = [
        (event.start_ns, event.cause)
        for event in events
        if event.cause is not None
        and event.start_ns <= right.received_ns
        and (event.end_ns is None or event.end_ns >= left.received_ns)
    ]
    return max(overlapping)[1] if overlapping else Cause.FRAME_LOST


def _status(symbol: Symbol, statement: Statement) -> Status:
    line = statement.line
    if not symbol.watches and line.recorded == ZERO:
        return Status.SWEPT_ONLY
    both = statement.first_id is not None and statement.last_id is not None
    if CONTRADICTIONS & set(line.problems) or (both and not statement.closes):
        return Status.CONTRADICTED
    if not both or not statement.exact:
        return Status.UNPROVEN
    if statement.gaps:
        return Status.RESIDUAL
    return Status.COMPLETE_BACKFILLED if line.backfilled.trades else Status.COMPLETE


def _line(symbol: Symbol, statement: Statement, closed_ns: int | None) -> dict[str, Any]:
    line = statement.line
    by_cause: dict[str, int] = {}
    for gap in statement.gaps:
        by_cause[gap.cause.value] = by_cause.get(gap.cause.value, 0) + gap.trades
    skew = line.skew
    return {
        "code": line.code,
        "status": statement.status.value,
        "anchors": {
            "before": None if statement.first_id is None else statement.first_id - 1,
            "last": statement.last_id,
        },
        "trades": statement.end_trades,
        "recorded": _totals(line.recorded),
        "backfilled": _totals(line.backfilled),
        "residual": {
            "trades": statement.residual,
            "by_cause": dict(sorted(by_cause.items())),
            "described_by_bars": described_by_bars(line),
        },
        "trades_exact": statement.exact,
        "duplicates": line.duplicates,
        "late": line.late,
        "problems": {problem.value: times for problem, times in sorted(line.problems.items())},
        "watched": _watched(symbol.watches, line.day),
        "gaps": [_gap(symbol, line, gap, closed_ns) for gap in statement.gaps],
        "book": _book(symbol.book, line.day),
        "skew_us": {
            "samples": skew.samples, "least": skew.least_us, "mean": skew.total_us // (skew.samples or 1),
            "most": skew.most_us,
        },
    }  # fmt: skip


def described_by_bars(line: Line) -> dict[str, int]:
    """Return what the venue's bars say beyond what is known of their minutes (OB-904)."""
    trades = quantity = 0
    for minute, bar in line.bars.items():
        known = line.minutes.get(minute, ZERO)
        trades += max(0, bar.trades - known.trades)
        quantity += max(0, bar.quantity - known.quantity)
    return {"trades": trades, "quantity": quantity}


def _gap(symbol: Symbol, line: Line, gap: Gap, closed_ns: int | None) -> dict[str, Any]:
    return {
        "id": gap_id(VENUE, line.code, line.day, symbol.gap_left(gap.left, gap.right)),
        "cause": gap.cause.value,
        "state": (State.OPEN if closed_ns is None else State.RESIDUAL).value,
        "first_id": gap.first_id,
        "last_id": gap.last_id,
        "trades": gap.trades,
        "left_us": gap.left.event_us,
        "right_us": gap.right.event_us,
        "opened_ns": gap.right.received_ns,
        "closed_ns": closed_ns,
    }


def _book(book: Book, day: str) -> dict[str, Any]:
    start_us = day_start_us(day)
    spans = [
        (max(start_us, span.start_us), min(start_us + DAY_US, span.end_us))
        for span in book.valid
        if span.end_us >= start_us and span.start_us < start_us + DAY_US
    ]
    return {
        "valid": [[start, end] for start, end in spans],
        "breaks": book.breaks,
        "missing_update_ids": book.missing_ids,
        "updates": book.updates,
    }


def _watched(watches: Iterable[Span], day: str) -> list[list[int]]:
    """Return the watched spans of a day in its seconds, by our own clock; one that lasts ends with the day."""
    start_ns, spans = day_start_us(day) * 1000, []
    for watch in watches:
        low = max(0, (watch.start_ns - start_ns) // 1_000_000_000)
        end_ns = start_ns + DAY_US * 1000 if watch.end_ns is None else watch.end_ns
        high = min(DAY_US // 1_000_000, (end_ns - start_ns) // 1_000_000_000)
        if low <= high:
            spans.append([low, high])
    return spans


def _totals(totals: Totals) -> dict[str, int]:
    return {"trades": totals.trades, "quantity": totals.quantity, "value": totals.value}


def _text_row(line: Mapping[str, Any]) -> str:
    trades, skew, book = line["trades"], line["skew_us"], line["book"]
    quantity = line["recorded"]["quantity"] + line["backfilled"]["quantity"]
    known = f"{quantity // 10**PRICE_SCALE:,}.{quantity % 10**PRICE_SCALE:08}"
    shown = f"{skew['least'] / 1000:.0f} to {skew['most'] / 1000:.0f}" if skew["samples"] else "-"
    watched = " ".join(f"{_clock(start)}-{_clock(end)}" for start, end in line["watched"]) or "-"
    return (
        f"{line['code']:12} {line['status']:19} {'?' if trades is None else f'{trades:,}':>11}"
        f" {line['recorded']['trades']:>11,} {line['backfilled']['trades']:>10,} {line['residual']['trades']:>8,}"
        f" {known:>24}  {book['updates']:>7,}/{book['breaks']:<6} {shown:>15}  {watched}"
    )


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
