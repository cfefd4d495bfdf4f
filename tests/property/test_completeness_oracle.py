"""The ledger against the truth over seeded runs with random faults (OB-1011), and against its second implementation."""

import asyncio
import os
import random
from pathlib import Path

import pytest
from tests.by_time import Calls, Still
from tests.faulty_tape import Run, closing, run_of, total
from tests.tape import DAY

from veritape.observer import frames as parser
from veritape.observer.adapters.backfiller import Backfiller
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.reparsing import reparse
from veritape.observer.audit import Statement, Status, state
from veritape.observer.axis import Totals
from veritape.observer.recorder import frame_key
from veritape.observer.records import record_pattern
from veritape.wire.kis.frames import FIELD_NAMES, TRADES_KRX

SOAK = os.environ.get("VERITAPE_SOAK") == "1"  # noqa: TID251 - the size of a test is asked for from outside
MINUTES = None if SOAK else 30
SEEDS, GROUP = 200, 25


def recorded(data: Path, run: Run) -> Recording:
    """Return the recording of a run, its last frames perhaps missing, its anchor taken, not closed yet."""
    recording = Recording(data)
    for frame in [*run.journal, *closing(run)[:-1]]:
        if recording.recorder.apply(frame).refusal is not None:
            recording.recorder.condemned.add(frame_key(frame))
    return recording


def ledger_runs(statement: Statement) -> list[tuple[int, int, int | None]]:
    """Return the ledger's holes as the oracle names its loss runs; a tail's trades are None until rows tile it."""
    found = []
    for gap in statement.gaps:
        trades, shares, _ = gap.filling.hole.totals
        known = None if gap.most_trades is not None else trades
        left = gap.filling.hole.left.chain_shares
        found.append((left, left + shares, known))
    return found


def check_before_backfill(run: Run, statement: Statement) -> None:
    expected = [(left, right, trades) for left, right, trades in run.loss_runs]
    found = ledger_runs(statement)
    assert [one[:2] for one in found] == [one[:2] for one in expected], (
        "every loss run is found, and nothing else"
    )
    for one, other in zip(found, expected, strict=True):
        assert one[2] in {None, other[2]}
    assert statement.line.recorded == total([run.truth[index] for index in sorted(run.delivered)])
    assert statement.line.problems == {}
    if not expected:
        assert (statement.status, statement.gaps) == (Status.COMPLETE, ())


def check_at_the_end(run: Run, statement: Statement, differences: list[str]) -> None:
    sums = statement.line.recorded.plus(statement.backfilled).plus(statement.residual)
    assert sums[1:] == run.totals[1:]
    if statement.trades_exact:
        assert sums == run.totals == statement.end
        assert statement.status in {Status.COMPLETE, Status.COMPLETE_BACKFILLED, Status.RESIDUAL}
        assert (statement.status is Status.RESIDUAL) == (statement.residual != Totals(0, 0, 0))
    else:
        assert statement.status is Status.UNPROVEN
    assert statement.line.recorded == total([run.truth[index] for index in sorted(run.delivered)])
    assert differences == []


def reparsed(recording: Recording, data: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Teach the parser the new width and read the quarantined frames again, as an update would."""
    recording.journal_folder.mkdir(parents=True, exist_ok=True)
    with monkeypatch.context() as update:
        names = {**FIELD_NAMES, (TRADES_KRX, 48): (*FIELD_NAMES[TRADES_KRX, 47], "NEW_FIELD")}
        update.setattr(parser, "FIELD_NAMES", names)
        update.setattr(
            parser, "_PATTERNS", {**parser._PATTERNS, 48: record_pattern(48, parser._TRADE_FIELDS)}
        )
        update.setattr(
            "veritape.observer.adapters.reparsing.read_journal",
            lambda _folder: ((data, 0, frame) for frame in run.journal),
        )
        reparse(recording, DAY, 1)


@pytest.mark.parametrize("first", range(0, SEEDS, GROUP))
def test_the_ledger_is_the_truth(first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-1011, OB-1013, OB-1012, OB-606, OB-681, OB-703: recorded + backfilled + residual = truth, each loss run found, both ledgers agree."""
    for seed in range(first, first + GROUP):
        run, data = run_of(seed, MINUTES), tmp_path / str(seed)
        recording = recorded(data, run)
        day = recording.recorder.days[DAY]
        check_before_backfill(run, state(day, run.code))
        draw = random.Random(-seed)
        if draw.random() < 0.5:
            reparsed(recording, data, run, monkeypatch)
        if draw.random() < 0.7:
            calls = Calls(run.end_ms, page_hole=draw.random() < 0.3)
            backfiller = Backfiller(calls, Still(run.end_ms + 300_000), recording, 0.2)  # type: ignore[arg-type]
            asyncio.run(backfiller.finish(DAY))
        recording.recorder.apply(closing(run)[-1])
        recording.seal_due(DAY, 86_399, 0, all_hours=True)
        evidence = recording.evidence(day)
        assert run.code in evidence.differences
        check_at_the_end(run, state(day, run.code, evidence), list(evidence.differences[run.code]))


def test_the_runs_suffer_from_everything() -> None:
    """OB-1011: the seeds lose frames singly and in spans, at both ends, and some lose nothing."""
    runs = [run_of(seed, MINUTES) for seed in range(60)]
    assert any(not run.loss_runs for run in runs)
    assert any(run.unread for run in runs)
    assert any(len(run.loss_runs) > 50 for run in runs)
    assert any(trades > 50 for run in runs for *_, trades in run.loss_runs)
    assert any(run.loss_runs and run.loss_runs[0][0] == 0 for run in runs)
    assert any(run.loss_runs and run.loss_runs[-1][1] == run.truth[-1].chain_shares for run in runs)


@pytest.mark.parametrize("fault", ["a trade of the oracle", "a hole of the oracle"])
def test_a_planted_fault_is_found(fault: str, tmp_path: Path) -> None:
    """OB-1011: the comparison can fail: an oracle that is wrong by one trade does not agree."""
    seed = next(seed for seed in range(99) if len(run_of(seed, 30).loss_runs) > 3)
    run = run_of(seed, 30)
    statement = state(recorded(tmp_path, run).recorder.days[DAY], run.code)
    check_before_backfill(run, statement)
    lost = next(index for index in range(len(run.truth)) if index not in run.delivered)
    run.delivered.add(lost) if fault == "a trade of the oracle" else run.delivered.discard(min(run.delivered))
    with pytest.raises(AssertionError):
        check_before_backfill(run, statement)
