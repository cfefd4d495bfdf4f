"""control.db as an index: what is kept while recording equals what is built again from the files."""

import asyncio
from pathlib import Path

from tests.backup_world import world
from tests.broker import broker, rest_of
from tests.tape import CODES, DAY
from tests.waiting import PATIENCE_S

from veritape.observer import control
from veritape.observer.adapters.control_database import ControlDatabase
from veritape.observer.adapters.control_index import ControlIndex, journalled_notes
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.recording_day import RecordingDay
from veritape.observer.business_days import Calendar
from veritape.observer.notes import NoteKind
from veritape.observer.sessions import Hours
from veritape.observer.settings import RecordSettings

MINUTE = Hours(32_400, 32_460)
DERIVED = (control.SEALS, control.CYCLES, control.ANCHORS, control.GAPS, control.OBSERVATIONS)
"""Tables that seals, sweeps and journal hold all of."""


async def test_a_lost_index_is_rebuilt_equal(tmp_path: Path) -> None:
    """OB-561, OB-991: after a recorded day the file is deleted, the next start builds the same rows again."""
    async with broker(seconds=60, speed=60.0, drop=0.02) as one, rest_of(one, tmp_path) as (rest, clock):
        settings = RecordSettings.model_validate(
            {"observer": {"data_dir": tmp_path}, "kis": one.settings().model_copy(update={"follow_replay_clock": True}), "universe": {"min_count": 1},
             "track_a": {"interval_minutes": 1}, "track_b": {"manual": tuple(CODES)}}
        )  # fmt: skip
        recording = Recording(tmp_path)
        options = JournalOptions(recording.journal_folder, reserve_bytes=0)
        book = Daybook(recording, options, clock, lambda _: None)
        day = RecordingDay(settings, rest, book, clock, lambda _: None)
        async with asyncio.timeout(PATIENCE_S):
            await day.run(DAY, MINUTE, Calendar({DAY: MINUTE}))
        book.observe(DAY, "pingpong_seconds", "10")
        await book.close()
    path = tmp_path / "control.db"
    live = ControlDatabase(path)
    rows = {table.name: live.rows(table) for table in DERIVED}
    [audit, picture] = live.rows(control.EXPORTS, kind="audit")
    live.close()
    assert [len(rows[name]) for name in ("seals", "cycles", "anchors")] == [1, 4, 3]
    assert {"pingpong_seconds", "ledger.990001"} <= {row["name"] for row in rows["observations"]}
    assert len(rows["gaps"]) > 3
    for file in (audit, picture):
        assert file["bytes"] == (tmp_path / file["path"]).stat().st_size
    path.unlink()
    recording = Recording(tmp_path)
    book = Daybook(recording, options, clock, lambda _: None)
    rebuilt = {table.name: book.index.database.rows(table) for table in DERIVED}
    await book.close()
    for row in (*rows["observations"], *rebuilt["observations"]):
        assert row.pop("observed_ns") > 0
    assert rebuilt == rows


async def test_notes_are_read_from_the_journal_by_kind(tmp_path: Path) -> None:
    """OB-512: the index needs nothing but the journal's notes; data that looks like one is none."""
    async with broker(seconds=60) as one, rest_of(one, tmp_path) as (_, clock):
        recording = Recording(tmp_path)
        options = JournalOptions(recording.journal_folder, reserve_bytes=0)
        book = Daybook(recording, options, clock, lambda _: None)
        book.note(NoteKind.CLOSED, day=DAY)
        book.observe(DAY, "limit", '"note":"anchor"')
        await book.close()
    notes = list(journalled_notes(recording.journal_folder, {NoteKind.OBSERVATION, NoteKind.ANCHOR}))
    assert [note for _, note in notes] == [
        {"note": "observation", "day": DAY, "name": "limit", "value": '"note":"anchor"'}
    ]


def test_an_empty_folder_rebuilds_to_nothing(tmp_path: Path) -> None:
    database = ControlDatabase(tmp_path / "control.db")
    ControlIndex(database, tmp_path, "KRX").rebuild()
    database.flush()
    assert database.rows(control.SEALS) == []
    database.close()


def test_backups_are_rebuilt_from_their_receipts(tmp_path: Path) -> None:
    """OB-561, OB-754: a lost control.db knows every manifest again."""
    one = world(tmp_path)
    one.backup()
    database = ControlDatabase(one.data / "control.db")
    ControlIndex(database, one.data, "KRX").rebuild()
    database.flush()
    assert [row["manifest"] for row in database.rows(control.BACKUPS)] == ["20131007-1", "20131008-1"]
    database.close()
