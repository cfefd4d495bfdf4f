"""Compute on every sealed tape once: the executor's part of the chain.

Each program runs over each code of each sealed segment, through the runtime and its cache. What is done is what lies in the
receipts folder, so a service that was killed goes on where it was, and one receipt is never made twice. The work waits in a
thread: the event loop stays free for signals and metrics.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from veritape.executor import ohlcv, vwap
from veritape.executor.adapters.receipt_files import ReceiptStore
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.claims import claim_digest
from veritape.executor.image import Image
from veritape.executor.log_events import LogEvent, Note
from veritape.executor.metrics import SIMULATED
from veritape.executor.runtime.outcomes import Executed, Failed, Outcome
from veritape.executor.tapes import TapeKey, TapeSource, first_kept_day
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import VeritapeError

LOOK_NS = NANOSECONDS // 2
"""Time between two looks at the seals: a receipt follows its seal within about a second."""

TAPES_AT_ONCE = 32
"""Tapes that are in memory together."""


@dataclass(frozen=True)
class ChainProgram:
    """A guest that runs over every sealed tape."""

    name: str
    """Its name: receipts are named after it."""
    image: Image
    """What runs."""
    input_of: Callable[[bytes], bytes]
    """Its input over a tape."""
    describe: Callable[[bytes], str]
    """One phrase about its journal."""


def chain_programs(image_of: Callable[[str], Image]) -> tuple[ChainProgram, ...]:
    """Return the guests of the chain: averages, and bars of a minute."""
    return (
        ChainProgram(vwap.PROGRAM, image_of(vwap.PROGRAM), bytes, _average),
        ChainProgram(ohlcv.PROGRAM, image_of(ohlcv.PROGRAM), ohlcv.input_of, _bars),
    )


@dataclass
class Service:
    """Runs programs over sealed tapes; collaborators are arguments."""

    source: TapeSource
    """Where tapes come from."""
    store: ReceiptStore
    """Where receipts go."""
    runtime: L2Runtime
    """Executes."""
    programs: Sequence[ChainProgram]
    """What is computed."""
    note: Note
    """Takes an event a receipt or failure."""
    retention_days: int = 0
    """Days whose receipts are kept, back from the newest sealed one; 0: all."""
    _done: set[tuple[str, TapeKey]] = field(default_factory=set)
    _failed: set[tuple[str, TapeKey]] = field(default_factory=set)
    _first_day: str = ""

    def due(self) -> dict[TapeKey, list[ChainProgram]]:
        """Return the sealed tapes with the programs that have neither receipt nor failure of this process over them."""
        found: dict[TapeKey, list[ChainProgram]] = {}
        sealed = self.source.sealed()
        first_day = first_kept_day({key.day for key in sealed}, self.retention_days)
        self._delete_before(first_day)
        for key in sealed:
            if key.day < first_day:
                continue
            for program in self.programs:
                if (program.name, key) in self._done or (program.name, key) in self._failed:
                    continue
                if self.store.has(program.name, key):
                    self._done.add((program.name, key))
                else:
                    found.setdefault(key, []).append(program)
        return found

    def compute(self, due: dict[TapeKey, list[ChainProgram]]) -> int:
        """Execute what is due over some tapes and write receipts; return how many were made."""
        tapes = {
            key: tape for key, programs in due.items() if (tape := self._tape(key, programs)) is not None
        }
        made = 0
        for program in self.programs:
            keys = [key for key in tapes if program in due[key]]
            outcomes = self.runtime.run_batch(program.image, [program.input_of(tapes[key]) for key in keys])
            made += sum(
                self._settle(program, key, outcome) for key, outcome in zip(keys, outcomes, strict=True)
            )
        return made

    async def once(self) -> int:
        """Compute all that is due; return how many receipts were made."""
        due = await asyncio.to_thread(self.due)
        keys, made = list(due), 0
        for first in range(0, len(keys), TAPES_AT_ONCE):
            some = {key: due[key] for key in keys[first : first + TAPES_AT_ONCE]}
            made += await asyncio.to_thread(self.compute, some)
        return made

    async def run(self, clock: Clock) -> None:
        """Compute what is sealed until cancelled; what has begun is finished or cancelled by the runtime's close."""
        while True:
            self.runtime.figures.tick(clock.monotonic_ns())
            await self.once()
            await clock.sleep_until(clock.monotonic_ns() + LOOK_NS)

    def _delete_before(self, day: str) -> None:
        if day == self._first_day:
            return
        self._first_day = day
        try:
            receipts = self.store.delete_before(day)
        except OSError as error:
            self.runtime.figures.failed(None)
            self.note(LogEvent.RECEIPTS_KEPT, before=day, problem=f"cannot delete: {error.strerror}")
            return
        if receipts:
            self.note(LogEvent.RECEIPTS_DELETED, receipts=receipts, before=day)

    def _tape(self, key: TapeKey, programs: Sequence[ChainProgram]) -> bytes | None:
        try:
            return self.source.tape(key)
        except VeritapeError as error:
            for program in programs:
                self._fail(program, key, error.message, error.reason)
            self.runtime.figures.failed(error.reason)
            return None

    def _settle(self, program: ChainProgram, key: TapeKey, outcome: Outcome) -> bool:
        """Write an outcome's receipt; False when there is none to keep."""
        if not isinstance(outcome, Executed):
            if isinstance(outcome, Failed):
                self._fail(program, key, outcome.detail, outcome.reason)
            return False
        receipt = outcome.receipt
        if receipt.claim.exit_code:
            self._fail(program, key, f"exit code {receipt.claim.exit_code}, no receipt kept")
            return False
        try:
            self.store.write(program.name, key, receipt)
        except OSError as error:
            self._fail(program, key, f"cannot write the receipt: {error.strerror}")
            self.runtime.figures.failed(None)
            return False
        self._done.add((program.name, key))
        self.note(
            LogEvent.RECEIPT_MADE,
            claim=claim_digest(receipt.claim, self.store.sponge).hex(),
            program=program.name,
            tape=".".join(key),
            cycles=receipt.claim.cycles,
            result=program.describe(receipt.journal),
            kind=SIMULATED,
            cached=outcome.cached,
        )
        return True

    def _fail(self, program: ChainProgram, key: TapeKey, problem: str, reason: StrEnum | None = None) -> None:
        self._failed.add((program.name, key))
        self.note(
            LogEvent.TAPE_FAILED, reason=reason, program=program.name, tape=".".join(key), problem=problem
        )


def _average(journal: bytes) -> str:
    return vwap.average([vwap.parse_journal(journal)])


def _bars(journal: bytes) -> str:
    return f"{len(ohlcv.parse_journal(journal).bars)} bars"
