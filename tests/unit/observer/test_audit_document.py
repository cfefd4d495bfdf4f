"""The audit's document against its types and its schema."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.tape import CODES, DAY, anchors, day_notes, frames, own_note, recorded

from veritape.kernel.canonical import canonical_json
from veritape.observer import audit, audit_document
from veritape.observer.notes import NoteKind
from veritape.observer.recorded_days import Anchor

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "formats" / "audit.schema.json"
UNTIL = 32_400_000 + 120_000
SWEEPS = {"cycles": 1, "expected": 3, "received": 3, "missing": 0}


def document(*, closed: bool) -> dict[str, Any]:
    end = [own_note(NoteKind.CLOSED, day=DAY)] if closed else []
    lossy = frames(drop=0.05, until_ms=UNTIL)
    recorder = recorded(*day_notes(), *lossy, *anchors(until_ms=UNTIL), *end)
    return audit.document(recorder.days[DAY], "KRX", 1, SWEEPS)


@pytest.mark.parametrize("closed", [True, False])
def test_an_audit_is_what_the_types_say(closed: bool) -> None:
    """OB-678, OB-672: every member, none more; a gap is open until the day is closed."""
    read = audit_document.read(canonical_json(document(closed=closed)))
    assert sorted(line.code for line in read.lines) == sorted(CODES)
    found = [gap for line in read.lines for gap in line.gaps]
    assert found
    assert all((gap.closed_ns is not None) == closed for gap in found)


def test_the_schema_that_ships_is_current() -> None:
    """OB-678: made from the types."""
    assert SCHEMA.read_bytes() == audit_document.schema()
    assert json.loads(SCHEMA.read_bytes())["$id"] == "veritape.audit.v1"


@pytest.mark.parametrize("name", ["format", "day", "closed", "lines", "sweeps"])
def test_a_member_that_is_missing_or_unknown_is_refused(name: str) -> None:
    """OB-678: planted faults."""
    whole = document(closed=True)
    for broken in ({**whole, name: None}, {k: v for k, v in whole.items() if k != name}, {**whole, "x": 1}):
        with pytest.raises(ValueError, match="validation error"):
            audit_document.read(canonical_json(broken))


def test_a_contradicted_line_has_a_document_too() -> None:
    """OB-678, OB-614: an anchor below what is recorded gives figures below 0, never no audit."""
    recorder = recorded(*day_notes(), *frames(until_ms=UNTIL))
    end = recorder.days[DAY].lines["990001"].end
    recorder.days[DAY].anchors["990001"] = Anchor(end.chain_shares + 5, end.chain_value - 7, 1, agreed=True)
    document = audit.document(recorder.days[DAY], "KRX", 1, SWEEPS)
    read = audit_document.read(canonical_json(document))
    assert (read.lines[0].status.value, read.lines[0].residual.value_krw) == ("contradicted", -7)
