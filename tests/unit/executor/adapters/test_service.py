"""One receipt a sealed tape."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from tests import rv32
from tests.compiled import SIMULATOR
from tests.noted import Noted
from tests.receipt_caches import disk_cache, runtime
from tests.waiting import until

from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.receipt_files import ReceiptStore, read_receipt
from veritape.executor.adapters.service import Service, chain_programs
from veritape.executor.claims import claim_digest
from veritape.executor.log_events import LogEvent, Note
from veritape.executor.metrics import ERRORS, GUEST_CYCLES, METRICS, RECEIPTS
from veritape.executor.tapes import TapeKey
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import CheckFailedError
from veritape.telemetry.registry import Registry

KEYS = [TapeKey("KRX", "20131007", "09", code) for code in ("990001", "990002", "990003", "990004")]
GOOD = rv32.tape([(1, 1, 1, 100, 3), (2, 5, 1, 110, 1)])


@dataclass
class FakeTapes:
    """Two good tapes, one that does not match its seal, one that the guest refuses."""

    read: list[TapeKey] = field(default_factory=list)
    keys: list[TapeKey] = field(default_factory=lambda: KEYS)

    def sealed(self) -> list[TapeKey]:
        return self.keys

    def tape(self, key: TapeKey) -> bytes:
        self.read.append(key)
        if key == KEYS[2]:
            raise CheckFailedError("the file is not the one that was sealed")
        return b"malformed" if key == KEYS[3] else GOOD


def service(folder: Path, tapes: FakeTapes, said: Note, registry: Registry | None = None) -> Service:
    store = ReceiptStore(folder / "receipts", SIMULATOR.sponge)
    made = runtime(disk_cache(folder / "cache"), registry=registry)
    return Service(tapes, store, made, chain_programs(guest_image), said)


async def test_each_sealed_tape_is_computed_once_by_each_program(tmp_path: Path) -> None:
    """EX-343, TL-610: receipts are made for what is sealed, never twice, also after a restart; a bad tape costs no other."""
    tapes, said, registry = FakeTapes(), Noted(), Registry(METRICS)
    first = service(tmp_path, tapes, said, registry)
    assert (await first.once(), await first.once()) == (4, 0)
    assert tapes.read == KEYS
    made, failed = said.of(LogEvent.RECEIPT_MADE), said.of(LogEvent.TAPE_FAILED)
    assert [(one["program"], one["result"], one["kind"]) for one in made] == [
        ("vwap", "102.5000", "simulated"), ("vwap", "102.5000", "simulated"),
        ("ohlcv", "1 bars", "simulated"), ("ohlcv", "1 bars", "simulated"),
    ]  # fmt: skip
    assert made[0]["tape"] == "KRX.20131007.09.990001"
    receipt = read_receipt(first.store.path("vwap", KEYS[0]), SIMULATOR.sponge)
    assert made[0]["claim"] == claim_digest(receipt.claim, SIMULATOR.sponge).hex()
    assert sorted((one["tape"][-6:], one["problem"]) for one in failed) == [
        ("990003", "the file is not the one that was sealed"), ("990003", "the file is not the one that was sealed"),
        ("990004", "exit code 1, no receipt kept"), ("990004", "exit code 1, no receipt kept"),
    ]  # fmt: skip
    assert registry.value(RECEIPTS, kind="simulated") == 4
    assert registry.value(RECEIPTS, kind="stark") == 0
    assert registry.value(ERRORS) == 1
    assert registry.value(GUEST_CYCLES, kind="simulated") > 0
    again, counted = FakeTapes(), Registry(METRICS)
    assert await service(tmp_path, again, said, counted).once() == 0
    assert again.read == KEYS[2:]
    assert counted.value(RECEIPTS, kind="simulated") == 0


async def test_a_receipt_that_was_deleted_comes_from_the_cache(tmp_path: Path) -> None:
    """EX-401: the chain runs through the cache: nothing is executed again."""
    registry = Registry(METRICS)
    assert await service(tmp_path, FakeTapes(), Noted()).once() == 4
    ReceiptStore(tmp_path / "receipts", SIMULATOR.sponge).path("ohlcv", KEYS[0]).unlink()
    assert await service(tmp_path, FakeTapes(), Noted(), registry).once() == 1
    assert registry.value(RECEIPTS, kind="simulated") == 0


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """EX-721: one line, counted; the service goes on."""
    (tmp_path / "receipts").write_bytes(b"a file where the folder should be")
    said, registry = Noted(), Registry(METRICS)
    assert await service(tmp_path, FakeTapes(), said, registry).once() == 0
    assert sum("cannot write the receipt" in one["problem"] for one in said.of(LogEvent.TAPE_FAILED)) == 4
    assert registry.value(ERRORS) == 5


async def test_the_service_looks_again_after_its_pause(tmp_path: Path) -> None:
    """EX-343: it goes on until it is cancelled."""
    tapes, clock = FakeTapes(), ManualClock()
    running = asyncio.create_task(service(tmp_path, tapes, Noted()).run(clock))
    await until(lambda: clock._sleepers)
    ReceiptStore(tmp_path / "receipts", SIMULATOR.sponge).path("vwap", KEYS[0]).unlink()
    clock.advance_ns(10**9)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert tapes.read == KEYS


async def test_receipts_of_old_days_go_and_are_not_made_again(tmp_path: Path) -> None:
    """EX-661: receipts.retention_days: once a newer day is sealed, its receipts are deleted, said once, and stay away."""
    old, new = KEYS[0], KEYS[0]._replace(day="20131009")
    tapes, said = FakeTapes(), Noted()
    tapes.keys = [old]
    kept = service(tmp_path, tapes, said)
    kept.retention_days = 2
    assert await kept.once() == 2
    tapes.keys = [old, new]
    assert (await kept.once(), await kept.once()) == (2, 0)
    assert [key for _, _, key in kept.store.names()] == [new, new]
    assert said.of(LogEvent.RECEIPTS_DELETED) == [{"receipts": 2, "before": "20131008"}]


async def test_receipts_that_cannot_be_deleted_are_said(tmp_path: Path) -> None:
    """EX-661: the work goes on."""
    said, registry = Noted(), Registry(METRICS)
    kept = service(tmp_path, FakeTapes(), said, registry)
    kept.retention_days = 1
    (tmp_path / "receipts" / "vwap.KRX.20131001.09.990001.sim").mkdir(parents=True)
    assert await kept.once() == 4
    (one,) = said.of(LogEvent.RECEIPTS_KEPT)
    assert one["before"] == "20131007"
    assert one["problem"].startswith("cannot delete: ")
