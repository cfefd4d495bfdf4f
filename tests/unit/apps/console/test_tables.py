"""The console's tables from the gateway's readers."""

from veritape.apps.console import tables_from_readers
from veritape.gateway.readers import (
    Claim,
    DayCompleteness,
    Line,
    MemoryReceipts,
    MemoryTape,
    Receipt,
    Segment,
    Totals,
)


def line(code: str, recorded: int, residual: int) -> Line:
    return Line(code, "open", Totals(recorded, 0, 0), Totals(0, 0, 0), Totals(residual, 0, 0), closed=True)


async def test_the_newest_day_is_shown_most_missing_first() -> None:
    """TL-765: the ledger's per-symbol table by residual, then by activity; seals with 12 digits of their hash."""
    nine = Segment("20131007", "09", "ab" * 32, 2, 0, 0, 1)
    ten = Segment("20131007", "10", "cd" * 32, 2, 0, 1, 2)
    lines = (line("A", 5, 0), line("B", 9, 0), line("C", 1, 3))
    tape = MemoryTape(
        {("20131007", "A"): [(nine, ()), (ten, ())], ("20131007", "B"): [(nine, ())]},
        {"20131004": DayCompleteness(True, 0, ()), "20131007": DayCompleteness(True, 0, lines)},
    )
    receipts = MemoryReceipts(
        (
            Receipt("old", "stark", "20131004", 1, 10, ()),
            Receipt("new", "simulated", "20131007", 2, 10, (Claim("ef" * 32, "", ""),)),
        )
    )
    assert await tables_from_readers(tape, receipts)() == {
        "symbols": [
            {"code": "C", "recorded": 1, "backfilled": 0, "residual": 3},
            {"code": "B", "recorded": 9, "backfilled": 0, "residual": 0},
            {"code": "A", "recorded": 5, "backfilled": 0, "residual": 0},
        ],
        "segments": [
            {"day": "20131007", "name": "10", "hash": "cdcdcdcdcdcd"},
            {"day": "20131007", "name": "09", "hash": "abababababab"},
        ],
        "receipts": [
            {"id": "new", "program": "efefefefefef", "day": "20131007", "kind": "simulated"},
            {"id": "old", "program": "", "day": "20131004", "kind": "stark"},
        ],
    }


async def test_what_is_not_there_has_no_rows() -> None:
    """TL-775: empty: a gateway without a recorder's folder, and a folder without a day."""
    nothing: dict[str, list[object]] = {"symbols": [], "segments": [], "receipts": []}
    assert await tables_from_readers(None, None)() == nothing
    assert await tables_from_readers(MemoryTape(), MemoryReceipts())() == nothing
