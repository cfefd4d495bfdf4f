"""Many durable frames into the recorder at once: the fast way of ``Recorder.apply``.

Most frames bring usual trades of the day that is being traded, and most trades join the one before of their line. A stretch
of such frames is read as columns (``trade_columns``), and which trades join is computed of all of them together. What joins
is recorded in one step; any other trade of a line goes through ``Line.receive`` as it does alone. Any other frame ends the
stretch and goes through ``apply``, which defines what is right: a property test compares everything that both leave behind.
Only the rows' order may differ within a stretch: they are sorted before they are sealed. A stretch has no more trades than a
line remembers, so whatever is looked up among older ones is there.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from veritape.observer.axis import SELL, Edge
from veritape.observer.completeness import Joined, Line
from veritape.observer.frames import Trade
from veritape.observer.journal import Frame, Kind
from veritape.observer.recent_trades import KEPT
from veritape.observer.recorded_days import Day
from veritape.observer.recorder import Applied, Recorder, frame_key
from veritape.observer.rows import NAMES, PACKED, TradeRows
from veritape.observer.trade_columns import (
    BUYS,
    CHAIN_SHARES,
    CHAIN_VALUE,
    CLOCK,
    DAY,
    PRICE,
    SELLS,
    SHARES,
    SIDE,
    Integers,
    TradeColumns,
    Truths,
    name_of,
    read_columns,
)

FEW: Final = 16
"""Frames below which one after another is faster."""

MANY: Final = 512
"""Frames of one stretch at most: the loop does nothing else meanwhile."""

WIDTHS: Final = {"Q": "<i8", "q": "<i8", "I": "<i4", "B": "u1"}
"""Letter of ``PACKED`` -> type of a column."""

ROW: Final = np.dtype(
    {
        "names": NAMES,
        "formats": [WIDTHS[letter] for letter in PACKED.format.strip("<x")],
        "itemsize": PACKED.size,
    }
)
"""A packed row as an element of an array."""


class Stamps(NamedTuple):
    """What the rows need of their frames, one a frame."""

    sequence: Integers
    received_ns: Integers


class Chain(NamedTuple):
    """A stretch's trades line by line, each line's in order of arrival."""

    before: Integers
    """Totals before each, in the order of an ``Edge``."""
    after: Integers
    """The edge after each."""
    breaks: list[int]
    """Places of trades that do not join the one before: at the beginning of a line, too."""
    sums: Integers
    """Counted trades, shares and value of all before each place."""
    packed: Integers
    """What ``RecentTrades`` remembers of each."""


def apply_all(recorder: Recorder, frames: Sequence[Frame]) -> Iterator[tuple[Frame, Applied]]:
    """Take durable frames; yield what they did, of a stretch together with its last frame."""
    for start in range(0, len(frames), MANY):
        yield from _apply_some(recorder, frames[start : start + MANY])


def _apply_some(recorder: Recorder, frames: Sequence[Frame]) -> Iterator[tuple[Frame, Applied]]:
    if len(frames) < FEW:
        yield from ((frame, recorder.apply(frame)) for frame in frames)
        return
    columns = read_columns([frame.data if frame.kind is Kind.TEXT else b"" for frame in frames])
    if recorder.condemned:
        columns.is_read[[frame_key(frame) in recorder.condemned for frame in frames]] = False
    _, connections, sequences, received, _, _ = zip(*frames, strict=True)
    connection, stamps = np.array(connections), Stamps(np.array(sequences), np.array(received))
    at, trading, odd = 0, None, np.empty(0, np.int64)
    while at < len(frames):
        if trading != recorder.trading_day:
            trading = recorder.trading_day
            odd = (~_of_day(columns, trading[1]) | (connection != trading[0])).nonzero()[0]
        next_odd = odd.searchsorted(at)
        end = int(odd[next_odd]) if next_odd < len(odd) else len(frames)
        part = _part(columns, at, end)
        if end - at >= FEW and len(part.record) <= KEPT:
            applied = _apply_stretch(recorder, recorder.day(trading[1]), part, frames, stamps)
            recorder.received(frames[end - 1])
            yield frames[end - 1], applied
        else:
            end = max(end, at + 1)
            yield from ((frame, recorder.apply(frame)) for frame in frames[at:end])
        at = end


def _of_day(columns: TradeColumns, day: str) -> Truths:
    """Tell which frames were read and bring trades of this day alone."""
    found = columns.is_read.copy()
    found[columns.message[columns.numbers[:, DAY] != int(day or 0)]] = False
    return found


def _part(columns: TradeColumns, start: int, end: int) -> TradeColumns:
    first, last = columns.message.searchsorted((start, end)).tolist()
    return columns.of_records(slice(first, last))


def _apply_stretch(
    recorder: Recorder, day: Day, trades: TradeColumns, frames: Sequence[Frame], stamps: Stamps
) -> Applied:
    """Record what joins in steps as long as they go; take the other trades one by one."""
    order, starts = _by_line(trades)
    codes = [name_of(trades.names[index].tobytes())[0] for index in order[starts].tolist()]
    for place in sorted(range(len(codes)), key=order[starts].tolist().__getitem__):
        day.line(codes[place])
    chain, is_joined, applied = _chain(trades, order), np.zeros(len(order), bool), Applied()

    def take(place: int) -> None:
        index = int(order[place])
        frame, record = frames[int(trades.message[index])], int(trades.record[index])
        recorder.record_trade(frame, record, trade_of(trades, index), applied)

    for code, start, end in zip(codes, starts, [*starts[1:], len(order)], strict=True):
        for first, last in _take_line(day.lines[code], chain, range(start, end), take):
            is_joined[first:last] = True
    joined = np.sort(order[is_joined])
    _keep(day, trades, joined, stamps)
    applied.recorded += len(joined)
    return applied


def _by_line(trades: TradeColumns) -> tuple[npt.NDArray[np.intp], list[int]]:
    """Return the trades line by line, each line's in order of arrival, and where each line begins."""
    symbols = trades.names[:, 0]
    order = symbols.argsort(kind="stable")
    return order, _is_new(symbols[order][:, None]).nonzero()[0].tolist()


def _chain(trades: TradeColumns, order: npt.NDArray[np.intp]) -> Chain:
    numbers, counted = trades.numbers[order], trades.counted[order].astype(np.int64)
    shares, values = numbers[:, SHARES], numbers[:, PRICE] * numbers[:, SHARES]
    sold = counted * (numbers[:, SIDE] == SELL)
    after = numbers[:, [CHAIN_SHARES, CHAIN_VALUE, SELLS, BUYS, CLOCK]]
    before = after[:, :4] - _columns(shares, values, sold, counted - sold)
    breaks = (before[1:] != after[:-1, :4]).any(1).nonzero()[0] + 1
    sums = np.zeros((len(numbers) + 1, 3), np.int64)
    _columns(counted, shares, values).cumsum(0, out=sums[1:])
    packed = numbers[:, [CHAIN_SHARES, SHARES, PRICE]].astype("<i8")
    return Chain(before, after, breaks.tolist(), sums, packed)


def _take_line(
    line: Line, chain: Chain, places: range, take: Callable[[int], None]
) -> Iterator[tuple[int, int]]:
    """Extend a line by its trades; yield where those lie that joined, the others are taken at once."""
    at = places.start
    while at < places.stop:
        if not line.is_plain or line.end[:4] != tuple(chain.before[at].tolist()):
            take(at)
            at += 1
            continue
        following = bisect_right(chain.breaks, at)
        stop = min([places.stop, *chain.breaks[following : following + 1]])
        counted, shares, value = (chain.sums[stop] - chain.sums[at]).tolist()
        end, packed = Edge(*chain.after[stop - 1].tolist()), chain.packed[at:stop].tobytes()
        line.extend(Joined(stop - at, counted, shares, value, end, packed))
        yield at, stop
        at = stop


def _columns(*columns: Integers) -> Integers:
    """Return columns side by side."""
    found = np.empty((len(columns[0]), len(columns)), np.int64)
    for place, column in enumerate(columns):
        found[:, place] = column
    return found


def _keep(day: Day, trades: TradeColumns, kept: npt.NDArray[np.intp], stamps: Stamps) -> None:
    """Add rows of the trades, hour by hour."""
    rows = np.zeros(len(kept), ROW)
    message, numbers = trades.message[kept], trades.numbers[kept]
    rows["sequence"], rows["received_us"] = stamps.sequence[message], stamps.received_ns[message] // 1000
    rows["record"], rows["counted"] = trades.record[kept], trades.counted[kept]
    for name, column in _ROW_NUMBERS:
        rows[name] = numbers[:, column]
    hours = numbers[:, CLOCK] // 3600
    for hour in sorted(set(hours.tolist())):
        own = hours == hour
        into = day.rows.setdefault(hour, TradeRows())
        of_hour = rows[own]
        of_hour["name"] = _ordinals(into, trades.names[kept][own])
        into.packed += of_hour.tobytes()


def _ordinals(rows: TradeRows, names: npt.NDArray[np.uint64]) -> Integers:
    """Return the ordinal of each row's name."""
    order = np.lexsort(names.T)
    in_order = names[order]
    is_new = _is_new(in_order)
    known = [rows.ordinal(name_of(name.tobytes())) for name in in_order[is_new]]
    ordinals = np.empty(len(names), np.int64)
    ordinals[order] = np.array(known)[is_new.cumsum() - 1]
    return ordinals


def _is_new(in_order: npt.NDArray[np.uint64]) -> Truths:
    """Tell which rows differ from the one before."""
    found = np.ones(len(in_order), bool)
    found[1:] = (in_order[1:] != in_order[:-1]).any(1)
    return found


def trade_of(trades: TradeColumns, index: int) -> Trade:
    """Return one record as ``parse_message`` reads it."""
    clock, price, shares, chain_shares, chain_value, sells, buys, side, _ = trades.numbers[index].tolist()
    code, day, session = name_of(trades.names[index].tobytes())
    chain = (chain_shares, chain_value, sells, buys)
    return Trade(code, clock, price, shares, *chain, side, bool(trades.counted[index]), day, session)


_ROW_NUMBERS: Final = (
    ("price", PRICE), ("shares", SHARES), ("chain_shares", CHAIN_SHARES), ("chain_value", CHAIN_VALUE),
    ("event_s", CLOCK), ("sells", SELLS), ("buys", BUYS), ("side", SIDE),
)  # fmt: skip
