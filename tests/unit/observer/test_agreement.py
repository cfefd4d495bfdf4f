"""Differences between the two ledgers, in words."""

from tests.tape import DAY, anchors, bundled, day_notes, frames, recorded

from veritape.observer.agreement import NOTHING, BatchHole, differences
from veritape.observer.audit import state
from veritape.observer.axis import Totals

UNTIL = 32_400_000 + 60_000


def test_a_complete_line_agrees_with_its_sums() -> None:
    """OB-681: nothing is missing and nothing differs."""
    journal = [*day_notes(("990001",)), *frames(("990001",), until_ms=UNTIL), *anchors(("990001",), UNTIL)]
    statement = state(recorded(*journal).days[DAY], "990001")
    end = bundled("990001").until(UNTIL).trades[-1]
    whole = NOTHING._replace(recorded=Totals(end.sells + end.buys, end.chain_shares, end.chain_value))
    assert differences(statement, whole) == []
    assert differences(statement, whole._replace(value_holes=None)) == []
    extra = whole._replace(holes=(BatchHole(0, 5, 9, 1), BatchHole(0, 20, 30, None)))
    assert differences(statement, extra) == [
        "only the segments have a hole of 1 trades from 5 to 9 shares",
        "only the segments have a hole from 20 to 30 shares",
    ]


def test_a_line_without_a_sealed_row_differs_by_everything() -> None:
    """OB-681: a ledger with trades that no file holds is contradicted."""
    journal = [
        *day_notes(("990001",)),
        *frames(("990001",), until_ms=UNTIL)[:-1],
        *anchors(("990001",), UNTIL),
    ]
    found = differences(state(recorded(*journal).days[DAY], "990001"), NOTHING)
    assert [words.split(":")[0] for words in found[:3]] == [
        "recorded trades",
        "recorded shares",
        "recorded value_krw",
    ]
    assert found[3].startswith("only the ledger has a hole from")
