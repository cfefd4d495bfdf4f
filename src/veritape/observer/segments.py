"""Sealed segments: the order of their rows, what binds computations to them, the seal (OB-551 to 557).

A segment holds the trades of one venue and hour. Its seal names the file's hash, each code's totals and chain edges,
the digest of each code's rows, the journal blocks it was made from, and the hash of the seal before it, so that a
changed, added, removed or reordered trade is found by anyone who has the seals.

The functions over rows say row by row what is right; segments are written by ``adapters/segment_columns.py``, column by column.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from blake3 import blake3

from veritape.observer.recorder import rows_by_code
from veritape.observer.rows import Row
from veritape.observer.seals import read_document

FORMAT: Final = "veritape.segment.v1"
"""Name of the seal document."""

TAPE_DOMAIN: Final = b"veritape.trades.v1\0"
"""Prefix of the bytes that bind a computation to trades (OB-556)."""

CODE_BYTES: Final = 12
"""Width of the code in these bytes."""

TAPE_ROW: Final = struct.Struct("<IBBHQQ")
"""event_s, side, counted, zero, price, shares."""

SEAL_TYPES: Final = {
    "venue": str, "day": str, "hour": int, "part": int, "rows": int, "bytes": int, "blake3": str, "price_scale": int,
    "parser": dict, "journal": list, "lines": dict, "previous": str,
}  # fmt: skip
"""Members of a seal beside its format."""

PARSER: Final = "1"
"""Version of the parser: a change that could read a frame differently raises it."""

NO_SIDE: Final = 255
"""Side outside 0..255 (OB-556)."""


class TapeRow(NamedTuple):
    """One trade as a computation sees it."""

    event_s: int
    side: int
    counted: bool
    price: int
    shares: int


class Before(NamedTuple):
    """Where a code's chain stood at the end of its last sealed row."""

    epoch: int
    chain_value: int
    chain_shares: int
    trades: int


class Columns(NamedTuple):
    """A segment's rows in their order, with what is missing before each."""

    rows: list[Row]
    """By (code, epoch, chain shares)."""
    value_holes: list[int]
    """Won missing between the row before of the same code and each row (OB-553)."""


def tape_bytes(code: str, price_scale: int, rows: Sequence[TapeRow]) -> bytes:
    """Return the canonical bytes of a code's trades: what a guest program reads (OB-556, EX-241)."""
    head = TAPE_DOMAIN + code.encode().ljust(CODE_BYTES, b"\0") + struct.pack("<I", price_scale)
    return head + b"".join(
        TAPE_ROW.pack(event_s, side if 0 <= side <= NO_SIDE else NO_SIDE, counted, 0, price, shares)
        for event_s, side, counted, price, shares in rows
    )


def tape_row(row: Row) -> TapeRow:
    """Return what a computation sees of a row."""
    trade = row.trade
    return TapeRow(trade.event_s, trade.side, row.counted, trade.price, trade.shares)


def rows_sha256(code: str, rows: Sequence[TapeRow], price_scale: int = 0) -> str:
    """Return the digest that binds computations to trades."""
    return hashlib.sha256(tape_bytes(code, price_scale, rows)).hexdigest()


def ordered(rows: Iterable[Row], before: Mapping[str, Before]) -> Columns:
    """Order a segment's rows and measure the value missing before each.

    Args:
        rows: in any order.
        before: code -> where its chain stood at the end of the segment before.
    """
    in_order, holes = [], []
    for code, own in rows_by_code(rows).items():
        last = before.get(code, Before(0, 0, 0, 0))
        for row in own:
            last = last if row.epoch == last.epoch else Before(row.epoch, 0, 0, 0)
            holes.append(_missing(row, last).value)
            last = _chain_end(row)
            in_order.append(row)
    return Columns(in_order, holes)


def line_documents(rows: Iterable[Row], before: Mapping[str, Before]) -> dict[str, dict[str, Any]]:
    """Return what a seal says of each code."""
    return {
        code: _line(code, own, before.get(code, Before(0, 0, 0, 0)))
        for code, own in rows_by_code(rows).items()
    }


def chain_ends(rows: Iterable[Row]) -> dict[str, Before]:
    """Return where each code's chain stands after these rows."""
    return {code: _chain_end(own[-1]) for code, own in rows_by_code(rows).items()}


def seal_document(
    *, venue: str, day: str, hour: int, part: int, rows: int, file_bytes: bytes, journal: list[dict[str, Any]],
    lines: dict[str, dict[str, Any]], previous: str, widths: Sequence[int], price_scale: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Return a seal (OB-555); ``part`` 0 is the hour itself, n its n-th late file."""
    return {
        "format": FORMAT,
        "venue": venue,
        "day": day,
        "hour": hour,
        "part": part,
        "rows": rows,
        "bytes": len(file_bytes),
        "blake3": blake3(file_bytes).hexdigest(),
        "price_scale": price_scale,
        "parser": {"version": PARSER, "widths": sorted(widths)},
        "journal": journal,
        "lines": lines,
        "previous": previous,
    }


def read_seal(data: bytes) -> dict[str, Any] | None:
    """Return a seal's document, None for any bytes that are no seal (OB-992)."""
    document = read_document(data, FORMAT, SEAL_TYPES)
    if document is None or not all(type(line) is dict for line in document["lines"].values()):
        return None
    return document


def line_document(
    *, rows: int, shares: int, value: int, first: dict[str, int], last: dict[str, int], holes: int,
    missing: tuple[int, int, int], rows_sha256: str,
) -> dict[str, Any]:  # fmt: skip
    """Return what a seal says of one code; ``missing``: trades, shares and won of its holes."""
    hole_trades, hole_shares, hole_value = missing
    return {
        "rows": rows,
        "shares": shares,
        "value": value,
        "first": first,
        "last": last,
        "holes": holes,
        "hole_trades": hole_trades,
        "hole_shares": hole_shares,
        "hole_value": hole_value,
        "rows_sha256": rows_sha256,
    }


def _line(code: str, rows: list[Row], before: Before) -> dict[str, Any]:
    missing, last = [], before
    for row in rows:
        last = last if row.epoch == last.epoch else Before(row.epoch, 0, 0, 0)
        missing.append(_missing(row, last))
        last = _chain_end(row)
    holes = [hole for hole in missing if hole.shares]
    return line_document(
        rows=len(rows),
        shares=sum(row.trade.shares for row in rows),
        value=sum(row.trade.price * row.trade.shares for row in rows),
        first=_totals(rows[0]),
        last=_totals(rows[-1]),
        holes=len(holes),
        missing=(
            sum(hole.trades for hole in holes),
            sum(hole.shares for hole in holes),
            sum(hole.value for hole in holes),
        ),
        rows_sha256=rows_sha256(code, [tape_row(row) for row in rows]),
    )


class _Missing(NamedTuple):
    """What lies between two rows."""

    trades: int
    shares: int
    value: int


def _missing(row: Row, last: Before) -> _Missing:
    trade = row.trade
    shares = trade.chain_shares - trade.shares - last.chain_shares
    if shares <= 0:
        return _Missing(0, 0, 0)  # joined, or a late row that lies before what is sealed
    value = trade.chain_value - trade.price * trade.shares - last.chain_value
    return _Missing(trade.sells + trade.buys - row.counted - last.trades, shares, value)


def _chain_end(row: Row) -> Before:
    trade = row.trade
    return Before(row.epoch, trade.chain_value, trade.chain_shares, trade.sells + trade.buys)


def _totals(row: Row) -> dict[str, int]:
    trade = row.trade
    return {
        "chain_shares": trade.chain_shares, "chain_value": trade.chain_value, "sells": trade.sells, "buys": trade.buys,
    }  # fmt: skip
