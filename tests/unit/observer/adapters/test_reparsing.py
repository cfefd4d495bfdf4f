"""Frames of a width that nobody knew, read again after an update."""

from pathlib import Path

import pytest
from tests.tape import DAY, anchors, day_notes, frames, own_note

from veritape.observer import frames as parser
from veritape.observer import journal
from veritape.observer.adapters.quarantine import Quarantine, unread_frames
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.reparsing import reparse
from veritape.observer.journal import Frame
from veritape.observer.notes import NoteKind
from veritape.observer.records import record_pattern
from veritape.wire.kis.frames import FIELD_NAMES, TRADES_KRX

UNTIL = 32_400_000 + 120_000


def widened(frame: Frame) -> Frame:
    """Return a frame whose records have a 48th field."""
    head, _, payload = frame.data.decode().rpartition("|")
    fields = payload.split("^")
    records = ["^".join([*fields[start : start + 47], "Z"]) for start in range(0, len(fields), 47)]
    return frame._replace(data=f"{head}|{'^'.join(records)}".encode())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a recording whose wire changed to width 48 after a minute."""
    taped = frames(("990001",), until_ms=UNTIL)
    middle = len(taped) // 2
    notes = [
        *day_notes(("990001",)), *taped[:middle], *map(widened, taped[middle:-3]), *taped[-3:],
        *anchors(("990001",), UNTIL), own_note(NoteKind.CLOSED, 56_000, day=DAY),
    ]  # fmt: skip
    head = journal.encode_file_header(journal.Header(journal.Venue.KRX, bytes(16), 1, bytes(16)))
    path = tmp_path / "journal" / "KRX" / DAY / "0900-0.vtj"
    path.parent.mkdir(parents=True)
    path.write_bytes(head + journal.encode_block(notes, 0, 1))
    live, quarantine = Recording(tmp_path), Quarantine(tmp_path / "quarantine", lambda _: None)
    for frame in notes:
        refusal = live.recorder.apply(frame).refusal
        if refusal is not None:
            quarantine.add(frame, refusal)
    live.seal_due(DAY, 86_399, 0, all_hours=True)
    return tmp_path


def status(data: Path) -> tuple[str, int, int]:
    recording = Recording(data)
    recording.load([DAY])
    (line,) = recording.audit(DAY, 1)["lines"]
    assert line["differences"] == []
    return line["status"], line["recorded"]["trades"], line["backfilled"]["trades"]


@pytest.fixture
def update(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teach the parser the new width."""
    names = {**FIELD_NAMES, (TRADES_KRX, 48): (*FIELD_NAMES[TRADES_KRX, 47], "NEW_FIELD")}
    monkeypatch.setattr(parser, "FIELD_NAMES", names)
    monkeypatch.setattr(
        parser, "_PATTERNS", {**parser._PATTERNS, 48: record_pattern(48, parser._TRADE_FIELDS)}
    )


def test_an_update_does_not_make_old_frames_recorded(data: Path, request: pytest.FixtureRequest) -> None:
    """OB-457, OB-512: what was refused then stays unrecorded, so the rebuilt ledger equals the old one and its segments."""
    before = status(data)
    assert before[0] == "residual"
    request.getfixturevalue("update")
    assert status(data) == before


def test_reparsed_frames_complete_the_line(data: Path, update: None) -> None:
    """OB-1022, OB-457, OB-702: width 48 was quarantined; after the update a reparse fills every hole with source reparsed."""
    recording = Recording(data)
    recording.load([DAY])
    assert len(recording.recorder.condemned) > 10
    assert reparse(recording, DAY, 7_000) > 10
    assert reparse(recording, DAY, 8_000) == 0
    assert status(data)[0] == "complete_backfilled"
    (rows,) = recording.backfill.trades(DAY).values()
    assert {row.source.value for row in rows} == {"reparsed"}
    assert all(row.trade is not None and row.gap_id and row.fetched_us == 7 for row in rows)


def test_without_an_update_nothing_is_filled(data: Path) -> None:
    """OB-457: the same parser refuses the same frames."""
    recording = Recording(data)
    recording.load([DAY])
    assert reparse(recording, DAY, 7_000) == 0
    empty = Recording(data / "nothing")
    assert reparse(empty, DAY, 7_000) == 0


def test_a_torn_index_names_what_it_can(tmp_path: Path) -> None:
    """OB-991: a line that is cut or is no entry names no frame."""
    (tmp_path / "frames-20131007.jsonl").write_text(
        '{"connection":1,"sequence":2,"received_ns":3}\n[]\n{"conn'
    )
    assert unread_frames(tmp_path) == {(1, 2, 3)}
