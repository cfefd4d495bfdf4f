"""Journal, ledger and gaps: metrics from a recorder that writes."""

import asyncio
import errno
import json
from pathlib import Path

from tests.tape import CODES, DAY, MIDNIGHT_NS, bundled, day_notes, frames, recorded_of

from veritape.kernel.clock import ManualClock
from veritape.observer import ledger_metrics as metrics
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.ledger_instruments import LedgerInstruments
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.storage import Disk
from veritape.observer.notes import NoteKind
from veritape.observer.severity import Severity
from veritape.telemetry import Metric, Registry

UNTIL = 32_400_000 + 600_000
OPEN_S = 32_400
SECOND = 10**9


class Watching:
    """A daybook whose metrics are kept."""

    def __init__(self, data: Path, storage: Disk | None = None) -> None:
        recording = Recording(data)
        self.clock = ManualClock(wall_ns=MIDNIGHT_NS + OPEN_S * SECOND)
        self.registry = Registry(metrics.LEDGER, strict=True)
        self.instruments = LedgerInstruments(self.registry, 120)
        options = JournalOptions(recording.journal_folder, reserve_bytes=0)
        self.book = Daybook(recording, options, self.clock, self.instruments.applied, storage)
        self.book.committed = self.instruments.committed
        self.looks = 0

    async def write(self, drop: float = 0.01) -> None:
        for one in day_notes():
            self.book.frame(one.kind, 0, one.sequence, one.data)
        for one in frames(drop=drop, until_ms=UNTIL):
            self.clock.advance_ns(max(0, one.received_ns + 200_000_000 - self.clock.wall_ns()))
            self.book.frame(one.kind, 1, one.sequence, one.data)
        await self.book.flush()

    def look(self) -> None:
        self.looks += 1
        self.instruments.measure(self.book, self.clock.wall_ns(), self.looks * 10 * SECOND)

    def value(self, metric: Metric, **labels: str) -> float:
        return self.registry.value(metric, **labels)


async def test_commits_shares_and_gaps_of_a_lossy_stream(tmp_path: Path) -> None:
    """TL-210, TL-220, OB-961: from durable frames; shares add up; gaps are counted once and add up (TL-190)."""
    watching = Watching(tmp_path)
    await watching.book.loaded
    watching.look()
    await watching.write()
    watching.look()
    watching.look()
    day = watching.book.recording.recorder.days[DAY]
    commits = watching.book.writer.watermark.commits
    assert watching.value(metrics.SYNC_SECONDS) == watching.value(metrics.COMMIT_SECONDS) == commits
    recorded = recorded_of(day)
    assert watching.value(metrics.RECORDED_SHARES) == recorded.shares
    assert watching.value(metrics.LEDGER_TRADES, state="recorded") == recorded.trades
    market = sum(line.end.chain_shares for line in day.lines.values())
    assert watching.value(metrics.MARKET_SHARES) == market
    assert watching.value(metrics.MISSING_SHARES) == market - recorded.shares > 0
    holes = sum(len(axis.holes()) for line in day.lines.values() for axis in line.axes)
    assert watching.value(metrics.GAPS_DETECTED) == holes > 5
    assert sum(watching.value(metrics.OPEN_GAPS, severity=one.value) for one in Severity) == holes
    assert watching.value(metrics.GAP_SECONDS) == holes
    assert 0.2 <= watching.value(metrics.CLOCK_OFFSET) < 1.3
    assert watching.value(metrics.LEDGER_TRADES, state="residual") > 0
    await watching.book.close()


async def test_a_closed_day_closes_its_gaps(tmp_path: Path) -> None:
    """TL-210: low, medium and high add up to what was detected; each with its cause."""
    watching = Watching(tmp_path)
    await watching.write()
    watching.look()
    watching.book.note(NoteKind.CLOSED, day=DAY)
    await watching.book.flush()
    watching.look()
    counted = [watching.value(one) for one in (metrics.GAPS_LOW, metrics.GAPS_MEDIUM, metrics.GAPS_HIGH)]
    assert sum(counted) == watching.value(metrics.GAPS_DETECTED)
    assert watching.value(metrics.GAPS, cause="frame_lost") == sum(counted)
    assert [watching.value(metrics.OPEN_GAPS, severity=one.value) for one in Severity] == [0, 0, 0]
    await watching.book.close()


async def test_gaps_of_connection_process_and_sweeps_are_counted_too(tmp_path: Path) -> None:
    """TL-210, OB-671, OB-673: one for a lost connection, whatever it cost; one for a restart; one a sweep with a hole."""
    watching = Watching(tmp_path)
    await watching.write(drop=0)
    end_s = OPEN_S + 600
    for name, at_s, cause in (("watch_closed", end_s, "ws_disconnect"), ("watch_opened", end_s + 90, "")):
        watching.clock.advance_ns(MIDNIGHT_NS + at_s * SECOND - watching.clock.wall_ns())
        for code in CODES:
            facts = {"cause": cause} if cause else {}
            watching.book.note(NoteKind(name), day=DAY, code=code, event_s=at_s, **facts)
    watching.clock.advance_ns(400 * SECOND)
    watching.book.note(NoteKind.STARTED)
    await watching.book.flush()
    watching.look()
    assert watching.value(metrics.GAPS_DETECTED) == 2
    manifest = {
        "kind": "grid", "cycle": 1, "expected": 3, "received": 2, "missing": {"990001": "deadline"}, "calls": 1,
        "grid_ns": MIDNIGHT_NS + OPEN_S * SECOND, "started_ns": 0, "ended_ns": 1,
    }  # fmt: skip
    folder = tmp_path / "sweeps" / "venue=KRX" / f"day={DAY}"
    folder.mkdir(parents=True)
    (folder / "0900.json").write_text(json.dumps(manifest))
    watching.look()
    watching.look()
    assert watching.value(metrics.GAPS_DETECTED) == 3
    causes = ("ws_disconnect", "process_down", "sweep_missed")
    assert [watching.value(metrics.GAPS, cause=one) for one in causes] == [1, 1, 1]
    counted = [watching.value(one) for one in (metrics.GAPS_LOW, metrics.GAPS_MEDIUM, metrics.GAPS_HIGH)]
    assert counted == [0, 1, 2]
    await watching.book.close()


async def test_what_a_restart_reads_again_counts_no_more(tmp_path: Path) -> None:
    """TL-080: shares of the process before are its own."""
    first = Watching(tmp_path)
    await first.write(drop=0)
    await first.book.close()
    second = Watching(tmp_path)
    second.clock.advance_ns(60 * SECOND)
    second.look()
    assert second.value(metrics.RECORDED_SHARES) == 0, "not read yet"
    await second.book.loaded
    second.look()
    assert (second.value(metrics.RECORDED_SHARES), second.value(metrics.MARKET_SHARES)) == (0, 0)
    assert second.value(metrics.LEDGER_TRADES, state="recorded") == sum(
        len(bundled(code).until(UNTIL).trades) for code in CODES
    )
    await second.book.close()


class Slow(Disk):
    """Full once it is told, waits while it is told."""

    def __init__(self) -> None:
        self.full = False

    def sync(self, descriptor: int) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "full")
        super().sync(descriptor)


async def test_lag_of_journal_and_seals_and_a_refusing_disk(tmp_path: Path) -> None:
    """TL-220: age of the oldest frame that waits, time since the oldest seal was due, refusals by operation."""
    disk = Slow()
    watching = Watching(tmp_path, disk)
    await watching.write()
    watching.clock.advance_ns(2 * 3_600 * SECOND)
    watching.look()
    second = watching.book.now()[1]
    assert watching.value(metrics.SEAL_LAG) == second - (10 * 3_600 + 120)
    assert watching.value(metrics.JOURNAL_LAG) == 0
    disk.full = True
    watching.book.note(NoteKind.OBSERVATION, day=DAY, name="a", value="1")
    await asyncio.wait([watching.book.failed])
    watching.look()
    assert watching.value(metrics.JOURNAL_ERRORS, operation="fsync") >= 1
    await watching.book.close()
