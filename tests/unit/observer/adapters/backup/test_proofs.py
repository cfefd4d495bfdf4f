"""What a day's files prove, for both venues: the second one is backed up, restored and proven like the first."""

from pathlib import Path

import pytest
from tests.backup_world import World
from tests.binance import CODE, FIRST, SECOND, frames, trades
from tests.recorded_day import record_day
from tests.unit.observer.adapters.binance.test_recording import opened, written

from veritape.observer.adapters.backup.proofs import BinanceProof, KrxProof, proof_of
from veritape.observer.adapters.backup.source import Source
from veritape.observer.adapters.backup.targets import FolderTarget
from veritape.observer.binance.statements import VENUE as BINANCE
from veritape.observer.manifests import Totals, encode, parse
from veritape.observer.retention import DayFacts

LOST = slice(1_000, 1_040)
"""Messages of the first day that never arrive."""


async def recorded(data: Path, *, lost: bool = False) -> None:
    """Leave both captured days, the first one's hour sealed."""
    tape = list(frames(FIRST, SECOND))
    if lost:
        del tape[LOST]
    book = await written(data, opened(), *tape)
    book.recording.seal_due(FIRST, 0, all_hours=True)
    await book.close()


@pytest.fixture
async def one(tmp_path: Path) -> World:
    await recorded(tmp_path / "data")
    return World(tmp_path / "data", FolderTarget(tmp_path / "target"), venue=BINANCE)


async def test_a_day_of_binance_is_backed_up_drilled_and_every_damage_found(one: World) -> None:
    """OB-901, OB-751, OB-762, OB-763: with its neighbours' journal; the drill proves it from the restored files alone."""
    (sent,) = one.backup()
    manifest = one.latest()[1]
    assert (sent.day, manifest.venue, manifest.lines[CODE].status) == (FIRST, BINANCE, "complete")
    journals = [entry.path for entry in manifest.files if entry.path.endswith(".vtj")]
    assert [path.split("/")[2] for path in journals] == [FIRST, SECOND]
    proven = one.drill()
    assert (proven.passed, proven.lines) == (True, 1), proven.differences
    assert one.drill(live=False).passed
    assert one.backup() == []
    one.damage(".parquet")
    assert one.reasons() == ["object_corrupt"]
    one.remove(".vtj")
    assert "object_missing" in one.reasons()


async def test_a_line_s_quantity_is_unknown_while_trades_are_missing(tmp_path: Path) -> None:
    """OB-902, OB-754: trades close; what a missing one moved is null in the manifest, and so in a drill."""
    await recorded(tmp_path / "data", lost=True)
    proof = proof_of(tmp_path / "data", BINANCE, SECOND)
    assert isinstance(proof, BinanceProof)
    lost = BinanceProof(tmp_path / "data", FIRST).lines()[CODE]
    assert (lost.residual.shares, lost.residual.value_krw) == (None, None)
    assert lost.residual.trades == 40
    world = World(tmp_path / "data", FolderTarget(tmp_path / "target"), venue=BINANCE)
    world.backup()
    assert world.drill().passed
    manifest = world.latest()[1]
    assert parse(encode(manifest)) == manifest
    assert manifest.lines[CODE] == lost


async def test_segments_and_waiting_rows_add_up_to_the_ledger(one: World) -> None:
    """OB-762: sums beyond 64 bits, of a sealed day and of one that waits."""
    for day in (FIRST, SECOND):
        proof = BinanceProof(one.data, day)
        assert proof.sealed()[CODE] == proof.lines()[CODE].recorded
        assert 0 < proof.sealed()[CODE].trades < len(trades(FIRST, SECOND))
    assert BinanceProof(one.data, FIRST).facts(backup_failed=False).sealed
    assert not BinanceProof(one.data, SECOND).facts(backup_failed=False).sealed


async def test_what_the_retention_must_know(one: World, tmp_path: Path) -> None:
    """OB-731, OB-676: one rule for a venue: KRX by its audit's anomalies; a line of Binance that is not complete is one."""
    first = BinanceProof(one.data, FIRST)
    assert first.facts(backup_failed=False) == DayFacts(sealed=True, anomalous=False)
    assert first.facts(backup_failed=True).anomalous
    await recorded(tmp_path / "lossy", lost=True)
    assert BinanceProof(tmp_path / "lossy", FIRST).facts(backup_failed=False).anomalous
    record_day(tmp_path / "krx", "20131007")
    krx = KrxProof(tmp_path / "krx", "KRX", "20131007")
    assert krx.facts(backup_failed=False) == DayFacts(sealed=True, anomalous=False)
    assert krx.facts(backup_failed=True).anomalous
    assert krx.sealed() == {code: line.recorded for code, line in krx.lines().items()}
    assert all(isinstance(total, Totals) for total in krx.sealed().values())


async def test_the_file_that_is_being_written_proves_nothing_yet(one: World) -> None:
    """OB-762: a manifest states what its files say: an open journal file is no part of either."""
    before = BinanceProof(one.data, SECOND).lines()
    (path,) = (one.data / "journal" / BINANCE / SECOND).glob("*.vtj")
    path.chmod(0o644)
    assert BinanceProof(one.data, SECOND).lines() != before
    assert [file.path for file in Source(one.data, BINANCE).files(SECOND) if file.path.endswith(".vtj")] == [
        f"journal/{BINANCE}/{FIRST}/{next((one.data / 'journal' / BINANCE / FIRST).glob('*.vtj')).name}"
    ]
