"""One receipt a sealed tape."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from tests import rv32
from tests.compiled import SIMULATOR

from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.receipt_files import ReceiptStore
from veritape.executor.adapters.service import Service
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

    def sealed(self) -> list[TapeKey]:
        return KEYS

    def tape(self, key: TapeKey) -> bytes:
        self.read.append(key)
        if key == KEYS[2]:
            raise CheckFailedError("the file is not the one that was sealed")
        return b"malformed" if key == KEYS[3] else GOOD


def service(folder: Path, tapes: FakeTapes, said: list[str]) -> Service:
    store = ReceiptStore(folder, SIMULATOR.sponge)
    return Service(tapes, store, SIMULATOR, guest_image("vwap"), Registry(METRICS), said.append)


async def test_each_sealed_tape_is_computed_once(tmp_path: Path) -> None:
    """EX-343: receipts are made for what is sealed, never twice, also after a restart; a bad tape costs no other."""
    tapes, said = FakeTapes(), list[str]()
    first = service(tmp_path, tapes, said)
    assert (await first.once(), await first.once()) == (2, 0)
    assert tapes.read == KEYS
    assert said[0].endswith("102.5000 over 196 cycles (executed, not proven)") or "102.5000" in said[0]
    assert ["not the one that was sealed" in said[2], "exit code 1" in said[3]] == [True, True]
    assert first.registry.value(RECEIPTS, kind="simulated") == 2
    assert first.registry.value(RECEIPTS, kind="stark") == 0
    assert first.registry.value(ERRORS) == 1
    assert first.registry.value(GUEST_CYCLES, kind="simulated") > 0
    again = FakeTapes()
    assert await service(tmp_path, again, said).once() == 0
    assert again.read == KEYS[2:]


async def test_the_service_looks_again_after_its_pause(tmp_path: Path) -> None:
    """EX-343: it goes on until it is cancelled."""
    tapes, clock = FakeTapes(), ManualClock()
    running = asyncio.create_task(service(tmp_path, tapes, []).run(clock))
    while not clock._sleepers:
        await asyncio.sleep(0)
    ReceiptStore(tmp_path, SIMULATOR.sponge).path("vwap", KEYS[0]).unlink()
    clock.advance_ns(10**9)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert tapes.read == KEYS
