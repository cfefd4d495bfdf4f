"""What the console shows and metrics never hold: symbols, segments, receipts, from the gateway's own readers."""

import asyncio
from typing import Any

from veritape.apps.console.figures import ReadTables
from veritape.gateway.readers import Line, ReceiptReader, TapeReader

ROWS_LIMIT = 50
"""Rows of each table (TL-765)."""

NAME_CHARACTERS = 64
"""Longest name of a receipt that is shown."""

HASH_CHARACTERS = 12
"""First digits of a hash that a person compares."""


def tables_from_readers(tape: TapeReader | None, receipts: ReceiptReader | None) -> ReadTables:
    """Return a reader of the tables; a part that is not installed has no rows. Files are read in a thread."""

    def read() -> dict[str, Any]:
        return {**_tape(tape), "receipts": _receipts(receipts)}

    async def tables() -> dict[str, Any]:
        return await asyncio.to_thread(read)

    return tables


def _tape(tape: TapeReader | None) -> dict[str, Any]:
    """Return symbols (most missing first, then most active) and segments (newest first) of the newest day."""
    days = tape.days() if tape else ()
    statement = tape.completeness(days[-1]) if tape and days else None
    if tape is None or statement is None:
        return {"symbols": [], "segments": []}
    lines = sorted(
        statement.lines, key=lambda line: (-line.residual.trades, -line.recorded.trades, line.code)
    )
    found = {segment for line in lines for segment in tape.segments(days[-1], line.code)}
    newest = sorted(found, key=lambda segment: segment.name, reverse=True)[:ROWS_LIMIT]
    segments = [{"day": one.day, "name": one.name, "hash": one.digest[:HASH_CHARACTERS]} for one in newest]
    return {"symbols": [_symbol(line) for line in lines[:ROWS_LIMIT]], "segments": segments}


def _symbol(line: Line) -> dict[str, Any]:
    return {
        "code": line.code,
        "recorded": line.recorded.trades,
        "backfilled": line.backfilled.trades,
        "residual": line.residual.trades,
    }


def _receipts(receipts: ReceiptReader | None) -> list[dict[str, Any]]:
    found = sorted(receipts.receipts() if receipts else (), key=lambda one: -one.created_ns)[:ROWS_LIMIT]
    return [
        {
            "id": receipt.id[:NAME_CHARACTERS],
            "program": receipt.claims[0].program[:HASH_CHARACTERS] if receipt.claims else "",
            "day": receipt.day,
            "kind": receipt.kind,
        }
        for receipt in found
    ]
