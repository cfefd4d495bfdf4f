"""A data folder: rebuilt, sealed, audited."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.tape import CODES, DAY, anchors, day_notes, frames, own_note

from veritape.kernel.clock import SystemClock
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.journal_writer import Committed, JournalWriter
from veritape.observer.adapters.recording import Recording, sweep_figures
from veritape.observer.journal import Frame
from veritape.observer.notes import NoteKind

UNTIL = 32_400_000 + 60_000


async def write(data: Path, journal: list[Frame]) -> None:
    done: list[Frame] = []

    def take(committed: Committed) -> None:
        done.extend(committed.frames)

    writer = JournalWriter(JournalOptions(data / "journal" / "KRX", reserve_bytes=0), take, SystemClock())
    for frame in journal:
        writer.append(frame)
    await writer.close()
    await asyncio.sleep(0)
    assert len(done) == len(journal)


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    closed = own_note(NoteKind.CLOSED, 56_100, day=DAY)
    await write(tmp_path, [*day_notes(), *frames(until_ms=UNTIL), *anchors(until_ms=UNTIL), closed])
    return tmp_path


async def test_the_audit_is_recomputed_from_the_journal(data: Path) -> None:
    """OB-512, OB-678: nothing but the folder is needed."""
    recording = Recording(data)
    assert recording.load() > 0
    document = recording.audit(DAY, 1)
    assert document["closed"]
    assert [line["status"] for line in document["lines"]] == ["complete"] * 3
    assert recording.days() == [DAY]
    assert Recording(data).audit("20991231", 1)["lines"] == []


async def test_nothing_is_sealed_twice_after_a_restart(data: Path) -> None:
    """OB-512, OB-557: rows that a segment holds are dropped when the journal is read again."""
    first = Recording(data)
    first.load()
    (seal,) = first.seal_due(DAY, 0, 120, all_hours=True)
    assert seal.document["rows"] == sum(
        line.recorded.trades for line in first.recorder.days[DAY].lines.values()
    )
    assert next(entry["file"] for entry in seal.document["journal"]) == "0853-0.vtj"
    again = Recording(data)
    again.load()
    assert again.seal_due(DAY, 0, 120, all_hours=True) == []
    assert again.audit(DAY, 1)["closed"]
    assert set(again._before[DAY]) == set(CODES)


async def test_an_hour_is_sealed_when_it_is_over_and_the_stream_has_left_it(data: Path) -> None:
    """OB-551: 120 s after the hour ends; never while its trades may still be on their way."""
    recording = Recording(data)
    recording.load()
    assert recording.seal_due(DAY, 11 * 3600, 120) == []
    assert recording.seal_due("20991231", 0, 120) == []
    later = frames(("990001",), until_ms=36_000_000 + 120_000)[-1]
    recording.recorder.apply(later)
    assert recording.seal_due(DAY, 10 * 3600 + 119, 120) == []
    (seal,) = recording.seal_due(DAY, 10 * 3600 + 120, 120)
    assert seal.key == (DAY, 9, 0)


async def test_what_a_day_needed_is_let_go_when_the_next_one_begins(data: Path) -> None:
    """OB-012: once all of it is sealed, neither ledgers nor places in the journal nor ends of chains are kept."""
    recording = Recording(data)
    recording.load()
    recording.forget_before("20131008")
    assert (list(recording.recorder.days), {day for day, _ in recording._blocks}) == ([DAY], {DAY})
    recording.seal_due(DAY, 0, 0, all_hours=True)
    recording.forget_before(DAY)
    assert (list(recording.recorder.days), list(recording._before)) == ([DAY], [DAY])
    recording.forget_before("20131008")
    assert (recording.recorder.days, recording._before, recording._blocks) == ({}, {}, {})


async def test_sweeps_are_added_up_from_their_manifests(data: Path) -> None:
    """OB-208, OB-678: only the grid counts."""
    folder = data / "sweeps" / "venue=KRX" / f"day={DAY}"
    folder.mkdir(parents=True)
    for name, kind in (("0900", "grid"), ("0910", "grid"), ("1533.anchor-0", "anchor")):
        manifest = {"kind": kind, "expected": 3, "received": 2, "missing": {"990001": "no_answer"}}
        (folder / f"{name}.json").write_text(json.dumps(manifest))
    assert sweep_figures(Recording(data).manifests(DAY)) == {
        "cycles": 2,
        "expected": 6,
        "received": 4,
        "missing": 2,
    }
