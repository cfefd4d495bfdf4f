"""Rows of an hour as columns: sorted, with what is missing before each, summed up by code (OB-552 to 556).

The fast way of ``segments.ordered``, ``line_documents`` and ``chain_ends``: the packed rows are mapped as one table and every
step runs over whole columns. Those functions define what is right; a property test holds this to them.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from veritape.observer.rows import NAMES, PACKED, TradeRows
from veritape.observer.segments import Before, line_document, tape_bytes

WIDTHS = {"Q": "<i8", "q": "<i8", "I": "<i4", "B": "u1"}
"""Letter of ``PACKED`` -> type of a column."""

ROW = np.dtype(
    {
        "names": NAMES,
        "formats": [WIDTHS[letter] for letter in PACKED.format.strip("<x")],
        "itemsize": PACKED.size,
    }
)
"""A packed row."""

TAPE = np.dtype(
    [
        ("event_s", "<u4"), ("side", "u1"), ("counted", "u1"), ("zero", "<u2"), ("price", "<u8"), ("shares", "<u8"),
    ]
)  # fmt: skip
"""A row as a computation sees it (OB-556): ``segments.TAPE_ROW``."""

Integers = npt.NDArray[np.int64]
"""A column of numbers that are summed or subtracted."""


class Table(NamedTuple):
    """The rows of a segment in their order."""

    rows: npt.NDArray[Any]
    """Of ``ROW``."""
    codes: list[str]
    """Sorted."""
    code: npt.NDArray[np.int32]
    """Index of each row's code."""
    sessions: list[str]
    """Sorted."""
    session: npt.NDArray[np.int32]
    """Index of each row's session."""


class Missing(NamedTuple):
    """What lies before each row: zeros where it joins (OB-603)."""

    trades: Integers
    shares: Integers
    value: Integers


def sorted_table(rows: TradeRows) -> Table:
    """Return the rows by (code, epoch, chain shares)."""
    found = np.frombuffer(bytes(rows.packed), ROW)
    codes, code_of = _ranked([code for code, _, _ in rows.names])
    sessions, session_of = _ranked([session for _, _, session in rows.names])
    code = code_of[found["name"]]
    order = np.lexsort((found["chain_shares"], found["epoch"], code))
    in_order = found[order]
    return Table(in_order, codes, code[order], sessions, session_of[in_order["name"]])


def missing(table: Table, before: Mapping[str, Before]) -> Missing:
    """Return what is missing before each row.

    Args:
        table: a segment's rows.
        before: code -> where its chain stood at the end of the segment before.
    """
    rows = table.rows
    ends = np.stack([rows["chain_shares"], rows["chain_value"], _trades(rows)])
    last = np.zeros_like(ends)
    last[:, 1:] = ends[:, :-1]
    begins = np.ones(len(rows), bool)
    begins[1:] = (table.code[1:] != table.code[:-1]) | (rows["epoch"][1:] != rows["epoch"][:-1])
    last[:, begins] = 0
    for index, code in enumerate(table.codes):
        place = int(np.searchsorted(table.code, index))
        known = before.get(code)
        if known is not None and known.epoch == rows["epoch"][place]:
            last[:, place] = known.chain_shares, known.chain_value, known.trades
    shares = rows["chain_shares"] - rows["shares"] - last[0]
    hole = shares > 0  # a late row lies before what is sealed: nothing is missing before it
    value = rows["chain_value"] - rows["price"] * rows["shares"] - last[1]
    trades = _trades(rows) - rows["counted"] - last[2]
    return Missing(np.where(hole, trades, 0), np.where(hole, shares, 0), np.where(hole, value, 0))


def line_documents(table: Table, gaps: Missing) -> dict[str, dict[str, Any]]:
    """Return what a seal says of each code."""
    rows, documents = table.rows, {}
    tape = np.zeros(len(rows), TAPE)
    for name in ("event_s", "side", "counted", "price", "shares"):
        tape[name] = rows[name]
    values = rows["price"] * rows["shares"]
    for index, code in enumerate(table.codes):
        own = slice(*np.searchsorted(table.code, (index, index + 1)))
        content = tape_bytes(code, 0, ()) + tape[own].tobytes()
        documents[code] = line_document(
            rows=len(rows[own]),
            shares=int(rows["shares"][own].sum()),
            value=int(values[own].sum()),
            first=_totals(rows[own][0]),
            last=_totals(rows[own][-1]),
            holes=int(np.count_nonzero(gaps.shares[own])),
            missing=(int(gaps.trades[own].sum()), int(gaps.shares[own].sum()), int(gaps.value[own].sum())),
            rows_sha256=hashlib.sha256(content).hexdigest(),
        )
    return documents


def chain_ends(table: Table) -> dict[str, Before]:
    """Return where each code's chain stands after its last row."""
    ends = {}
    for index, code in enumerate(table.codes):
        row = table.rows[int(np.searchsorted(table.code, index + 1)) - 1]
        trades = int(row["sells"]) + int(row["buys"])
        ends[code] = Before(int(row["epoch"]), int(row["chain_value"]), int(row["chain_shares"]), trades)
    return ends


def _trades(rows: npt.NDArray[Any]) -> Integers:
    total: Integers = rows["sells"].astype(np.int64) + rows["buys"]
    return total


def _totals(row: Any) -> dict[str, int]:
    return {name: int(row[name]) for name in ("chain_shares", "chain_value", "sells", "buys")}


def _ranked(texts: list[str]) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Return the distinct texts sorted, and for each given one its place among them."""
    distinct = sorted(set(texts))
    places = {text: place for place, text in enumerate(distinct)}
    return distinct, np.array([places[text] for text in texts], np.int32)
