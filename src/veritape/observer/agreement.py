"""The ledger against its second implementation: every figure that differs (OB-681).

The ledger merged intervals while frames arrived; the batch compared neighbouring rows of the sealed files. They share no
code, so a difference means that one of them, or a file, is wrong, and the line is contradicted until someone knows which.
"""

from collections import Counter
from typing import NamedTuple

from veritape.observer.audit import Statement
from veritape.observer.axis import Totals


class BatchHole(NamedTuple):
    """A hole as the batch found it."""

    epoch: int
    """Chain epoch."""
    left: int
    """Shares of the day at its left edge."""
    right: int
    """At its right edge."""
    trades: int | None
    """Counted trades inside; None behind the last record, where nothing counts them."""


class BatchLine(NamedTuple):
    """One line as the batch sees it."""

    recorded: Totals
    """Sums over the sealed rows."""
    holes: tuple[BatchHole, ...]
    """In the order of the volume axis."""
    overlaps: int
    """Rows that begin before the row below them ends: none on a true tape."""
    value_holes: int | None
    """Won missing before the last record, as the seals measured it; None where late files changed the neighbours."""
    backfilled: Totals
    """Fetched rows inside the holes: their number, shares, won."""
    quiet: tuple[int, int, int]
    """Pauses between trades above 10, 60 and 300 s: they report time and say nothing of loss (OB-643)."""


NOTHING = BatchLine(Totals(0, 0, 0), (), 0, 0, Totals(0, 0, 0), (0, 0, 0))
"""A line without a sealed row."""


def differences(statement: Statement, batch: BatchLine) -> list[str]:
    """Return what the two ledgers say differently of a line, in words; nothing when they agree."""
    fillings = [gap.filling for gap in statement.gaps]
    rows = sum(len(filling.rows) for filling in fillings)
    pairs = [
        *_pairs("recorded", statement.line.recorded, batch.recorded),
        *_pairs("backfilled", statement.backfilled._replace(trades=rows), batch.backfilled),
        ("overlapping rows", 0, batch.overlaps),
    ]
    if batch.value_holes is not None:
        pairs.append(
            ("won missing before the last record", _value_before_the_tail(statement), batch.value_holes)
        )
    unlike = [
        f"{name}: the ledger has {one:,}, the segments {other:,}"
        for name, one, other in pairs
        if one != other
    ]
    mine, theirs = Counter(_holes(statement)), Counter(batch.holes)
    unlike += [f"only the ledger has {_words(hole)}" for hole in (mine - theirs).elements()]
    return unlike + [f"only the segments have {_words(hole)}" for hole in (theirs - mine).elements()]


def _pairs(name: str, mine: Totals, theirs: Totals) -> list[tuple[str, int, int]]:
    return [
        (f"{name} {quantity}", one, other)
        for quantity, one, other in zip(Totals._fields, mine, theirs, strict=True)
    ]


def _holes(statement: Statement) -> list[BatchHole]:
    found = [
        BatchHole(epoch, hole.left.chain_shares, hole.right.chain_shares, hole.totals.trades)
        for epoch, axis in enumerate(statement.line.axes)
        for hole in axis.holes()
        if hole.totals.shares
    ]
    end, anchor = statement.line.end.chain_shares, statement.anchor
    if anchor is not None and anchor.chain_shares > end:
        found.append(BatchHole(len(statement.line.axes) - 1, end, anchor.chain_shares, None))
    return found


def _value_before_the_tail(statement: Statement) -> int:
    return sum(hole.totals.value_krw for axis in statement.line.axes for hole in axis.holes())


def _words(hole: BatchHole) -> str:
    count = "" if hole.trades is None else f" of {hole.trades} trades"
    return f"a hole{count} from {hole.left:,} to {hole.right:,} shares"
