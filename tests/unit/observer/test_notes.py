"""Notes: canonical JSON that names its kind."""

import json

import pytest

from veritape.observer.notes import NoteKind, note


@pytest.mark.parametrize("kind", NoteKind)
def test_a_note_names_its_kind_and_holds_its_facts(kind: NoteKind) -> None:
    """OB-512, OB-504: the same facts in any order are the same bytes, so that a journal can be compared."""
    data = note(kind, day="20131007", code="990001")
    assert data == note(kind, code="990001", day="20131007")
    assert json.loads(data) == {"note": kind.value, "code": "990001", "day": "20131007"}
    assert b" " not in data
