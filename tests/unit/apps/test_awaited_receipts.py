"""The demo waits for the executor's receipts."""

import asyncio
from pathlib import Path

import pytest
from tests.tape import DAY, frames, recorded
from tests.waiting import PATIENCE_S

from veritape.apps import awaited_receipts
from veritape.apps.awaited_receipts import missing_receipts, until_made
from veritape.observer.adapters.segment_files import SegmentStore

UNTIL = 32_400_000 + 5_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Seal five seconds of the bundled day."""
    rows = recorded(*frames(until_ms=UNTIL)).days[DAY].rows[9]
    SegmentStore(tmp_path / "data").write(
        DAY, 9, rows, {}, [{"file": "f", "first_block": 0, "last_block": 0}]
    )
    return tmp_path / "data"


def test_every_program_owes_a_receipt_over_every_sealed_tape(data: Path, tmp_path: Path) -> None:
    """EX-343: what is there is not owed; another file pays for nothing."""
    names = missing_receipts(data, tmp_path / "receipts")
    codes = {name.split(".")[-2] for name in names}
    assert sorted(names) == sorted(
        f"{program}.KRX.{DAY}.09.{code}.sim" for code in codes for program in ("vwap", "ohlcv")
    )
    (tmp_path / "receipts").mkdir()
    (tmp_path / "receipts" / names[0]).touch()
    (tmp_path / "receipts" / "other.sim").touch()
    assert missing_receipts(data, tmp_path / "receipts") == names[1:]


async def test_the_wait_ends_with_the_last_receipt(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-813: no fixed time is waited: as soon as the last one lies there, nothing is missing."""
    monkeypatch.setattr(awaited_receipts, "LOOK_SECONDS", 0.001)
    waiting = asyncio.create_task(until_made(data, tmp_path, tmp_path / "executor.log"))
    for name in missing_receipts(data, tmp_path):
        await asyncio.sleep(0.005)
        assert not waiting.done()
        (tmp_path / name).touch()
    async with asyncio.timeout(PATIENCE_S):
        assert await waiting == []


async def test_an_executor_that_cannot_is_not_waited_for(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EX-343: a tape over which a program failed ends the wait, and so does a service that makes nothing any more."""
    monkeypatch.setattr(awaited_receipts, "LOOK_SECONDS", 0.001)
    names, log = missing_receipts(data, tmp_path), tmp_path / "executor.log"
    (tmp_path / names[0]).touch()
    assert await until_made(data, tmp_path, log, patience_seconds=0.01) == names[1:]
    log.write_text('{"at":"","event":"tape_failed"}\n')
    async with asyncio.timeout(PATIENCE_S):
        assert await until_made(data, tmp_path, log) == names[1:]
