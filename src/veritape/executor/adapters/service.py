"""Compute on every sealed tape once: the executor's part of the chain.

What is done is what lies in the receipts folder, so a service that was killed goes on where it was, and one receipt is never
made twice. Executions run in a thread: the event loop stays free for signals and metrics, and one execution takes milliseconds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from veritape.executor import vwap
from veritape.executor.adapters.receipt_files import ReceiptStore
from veritape.executor.backend import Simulator
from veritape.executor.image import Image
from veritape.executor.metrics import ERRORS, GUEST_CYCLES, RECEIPTS, SIMULATED
from veritape.executor.receipts import CALLED
from veritape.executor.tapes import TapeKey, TapeSource
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import VeritapeError
from veritape.telemetry.registry import Registry

LOOK_NS = NANOSECONDS // 2
"""Time between two looks at the seals: a receipt follows its seal within about a second."""


@dataclass
class Service:
    """Runs the guest ``vwap`` over sealed tapes; collaborators are arguments."""

    source: TapeSource
    """Where tapes come from."""
    store: ReceiptStore
    """Where receipts go."""
    simulator: Simulator
    """Executes."""
    image: Image
    """The guest."""
    registry: Registry
    """Metrics."""
    say: Callable[[str], None]
    """Takes one line a receipt or failure."""
    _done: set[TapeKey] = field(default_factory=set)
    _failed: set[TapeKey] = field(default_factory=set)

    def due(self) -> list[TapeKey]:
        """Return the sealed tapes that have neither receipt nor failure of this process."""
        keys = [key for key in self.source.sealed() if key not in self._done | self._failed]
        self._done.update(key for key in keys if self.store.has(vwap.PROGRAM, key))
        return [key for key in keys if key not in self._done]

    def compute(self, key: TapeKey) -> bool:
        """Execute over one tape and write its receipt; False when the tape, the guest or its exit code is bad."""
        try:
            receipt = self.simulator.run(self.image, self.source.tape(key))
            self.registry.add(GUEST_CYCLES, receipt.claim.cycles, kind=SIMULATED)
            if receipt.claim.exit_code:
                self._failed.add(key)
                self.say(f"vwap {'.'.join(key)}: exit code {receipt.claim.exit_code}, no receipt kept")
                return False
            self.store.write(vwap.PROGRAM, key, receipt)
        except VeritapeError as error:
            self._failed.add(key)
            self.registry.add(ERRORS)
            self.say(f"vwap {'.'.join(key)}: {error.message}")
            return False
        self._done.add(key)
        self.registry.add(RECEIPTS, kind=SIMULATED)
        price = vwap.average([vwap.parse_journal(receipt.journal)])
        self.say(f"vwap {'.'.join(key)}: {price} over {receipt.claim.cycles} cycles ({CALLED})")
        return True

    async def once(self) -> int:
        """Compute all that is due; return how many receipts were made."""
        made = 0
        for key in await asyncio.to_thread(self.due):
            made += await asyncio.to_thread(self.compute, key)
        return made

    async def run(self, clock: Clock) -> None:
        """Compute what is sealed until cancelled; an execution that has begun is finished first."""
        while True:
            await self.once()
            await clock.sleep_until(clock.monotonic_ns() + LOOK_NS)
