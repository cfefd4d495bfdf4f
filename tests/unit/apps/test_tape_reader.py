"""The gateway's tape is the observer's folder: the same trades, the same statement as the audit."""

import asyncio
from pathlib import Path

import pytest
from tests.tape import DAY, MIDNIGHT_NS, anchors, bundled, day_notes, frames, own_note

from veritape.apps import tape_reader
from veritape.apps.tape_reader import RecordedTape
from veritape.kernel.clock import NANOSECONDS, ManualClock, SystemClock
from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.journal_files import JournalOptions, JournalWriter
from veritape.observer.adapters.recording import Recording
from veritape.observer.journal import Frame
from veritape.observer.recorder import NoteKind

UNTIL = 32_400_000 + 60_000
CODE = "990001"


async def write(data: Path, journal: list[Frame]) -> None:
    options = JournalOptions(data / "journal" / "KRX", reserve_bytes=0)
    writer = JournalWriter(options, lambda _: None, SystemClock())
    for frame in journal:
        writer.append(frame)
    await writer.close()
    await asyncio.sleep(0)


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    await write(tmp_path, [*day_notes(), *frames(until_ms=UNTIL), *anchors(until_ms=UNTIL)])
    return tmp_path


def seal(data: Path) -> None:
    recording = Recording(data)
    recording.load()
    recording.seal_due(DAY, 0, 120, all_hours=True)


async def test_sealed_trades_are_those_of_the_source(data: Path) -> None:
    """GW-741: every trade of the bundled day, price, size and second, in chain order."""
    seal(data)
    tape = RecordedTape(data, "KRX", ManualClock())
    (segment,) = tape.segments(DAY, CODE)
    assert (segment.name, segment.midnight_ns, segment.first_s, segment.last_s) == (
        "09-0000",
        MIDNIGHT_NS,
        32_400,
        35_999,
    )
    source = [
        (one.ms // 1000, one.price, one.shares, one.chain_shares) for one in bundled(CODE).until(UNTIL).trades
    ]
    rows = tape.trades(segment, CODE)
    assert [(row.event_s, row.price, row.shares, row.chain_shares) for row in rows] == source
    assert tape.trades(segment, CODE) is rows
    assert all(row.counted is True and isinstance(row.session, str) for row in rows)
    assert tape.segments(DAY, "000000") == []
    assert tape.segments("20991231", CODE) == []


async def test_the_statement_is_the_audit_s(data: Path) -> None:
    """GW-741: recorded, backfilled, residual and closed of each line as ``veritape audit`` says."""
    tape = RecordedTape(data, "KRX", ManualClock(wall_ns=7))
    found = tape.completeness(DAY)
    recording = Recording(data)
    recording.load()
    document = recording.audit(DAY, 7)
    assert found is not None
    assert (found.closed, found.as_of_ns) == (document["closed"], 7)
    assert [(one.code, one.status, one.recorded._asdict()) for one in found.lines] == [
        (line["code"], line["status"], line["recorded"]) for line in document["lines"]
    ]
    assert tape.completeness("20991231") is None
    assert not tape.is_sealed("20991231")


async def test_a_day_is_sealed_once_it_is_closed_and_nothing_waits(data: Path) -> None:
    """GW-742: before the end of the recording and before the last seal ``sealed`` is false; the files are looked at anew."""
    clock = ManualClock()
    tape = RecordedTape(data, "KRX", clock)
    assert not tape.is_sealed(DAY)
    await write(data, [own_note(NoteKind.CLOSED, 56_100, day=DAY)])
    clock.advance_ns(2 * NANOSECONDS)
    assert not tape.is_sealed(DAY)
    seal(data)
    assert not tape.is_sealed(DAY)
    clock.advance_ns(2 * NANOSECONDS)
    assert tape.is_sealed(DAY)


async def test_memory_is_bounded(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: only so many segments and days are kept."""
    seal(data)
    monkeypatch.setattr(tape_reader, "ROWS_KEPT", 1)
    monkeypatch.setattr(tape_reader, "DAYS_KEPT", 0)
    tape = RecordedTape(data, "KRX", ManualClock())
    for code in ("990001", "990002"):
        tape.trades(tape.segments(DAY, code)[0], code)
    assert tape.completeness(DAY) is not None
    assert (len(tape._rows), len(tape._states)) == (1, 0)


def test_a_venue_without_totals_is_not_served(tmp_path: Path) -> None:
    """OB-562, OB-901: refused by name, and not read by another venue's rules."""
    with pytest.raises(MisuseError, match="BINANCE"):
        RecordedTape(tmp_path, "BINANCE", SystemClock())
