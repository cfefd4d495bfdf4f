"""One batch on its way through the workers (EX-343 to 354).

What is missing goes out in pieces of about a second; a piece is durable before its items count as finished. A worker that dies
takes nothing with it but its piece, whose items are tried once more, each alone. When time is up or the caller wants no more,
the workers see a stop file; who does not within the grace is killed, and what was finished counts.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from veritape.executor.adapters.cache.receipt_cache import ReceiptCache
from veritape.executor.adapters.workers.costs import CostFile
from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.adapters.workers.jobs import Done, Job, MakeBackend, with_image
from veritape.executor.adapters.workers.pool import WorkerPool, is_lost
from veritape.executor.image import Image
from veritape.executor.log_events import LogEvent, Note
from veritape.executor.runtime.admission import Admission, is_fault
from veritape.executor.runtime.batching import Chunks
from veritape.executor.runtime.outcomes import Cancelled, Cost, DeadlineExceeded, Failed, RuntimeReason
from veritape.executor.runtime.progress import Meter, Phase, Progress
from veritape.executor.vm.execution import Limits, Stop
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import VeritapeError

LOOK_S = 0.05
"""Seconds between two looks at the stop token and the deadline while workers are busy."""

Show = Callable[[Progress], None]
"""Takes progress values."""

Result = bytes | Failed | Cancelled | DeadlineExceeded
"""What became of a distinct input; bytes are a receipt's file."""


@dataclass(frozen=True)
class Tools:
    """What all batches of a runtime share."""

    pool: WorkerPool
    """Runs jobs."""
    make_backend: MakeBackend
    """Of the workers."""
    cache: ReceiptCache
    """Makes items durable."""
    figures: Figures
    """Counts."""
    clock: Clock
    """Deadlines."""
    admission: Admission
    """Which jobs may run together; guarded by ``changed``."""
    changed: threading.Condition
    """Notified when a job ends."""
    kill_grace_s: float
    """Seconds that a worker gets to stop by itself."""
    threads: int
    """Of each worker."""
    note: Note
    """Takes what went wrong and was mended."""
    costs: CostFile | None = None
    """Keeps what backends measured."""


@dataclass
class Batch:
    """Distinct inputs of one program, and what became of them."""

    image: Image
    """The program."""
    program_id: bytes
    """Its id."""
    inputs: Sequence[bytes]
    """Distinct."""
    limits: Limits
    """Of each execution."""
    end_ns: int | None
    """Deadline, monotonic."""
    stop: Stop
    """The caller's stop token."""
    meter: Meter
    """Makes progress values."""
    show: Show
    """Takes them."""
    keep: bool = True
    """Put receipts into the cache."""
    keys: list[bytes] = field(default_factory=list)
    """Of the cache, of the inputs that were looked up."""
    results: dict[int, Result] = field(default_factory=dict)
    """By place of the input."""
    cached: set[int] = field(default_factory=set)
    """Places whose results came from the cache."""
    pending: deque[int] = field(default_factory=deque)
    """Places that were looked up, are not cached, and nobody works on yet."""


@dataclass(frozen=True)
class _Sent:
    places: tuple[int, ...]
    generation: int
    job: Job


class BatchRun:
    """Works a batch off; made for one batch."""

    def __init__(
        self, batch: Batch, looking: Iterator[None], cost: Cost, stop_file: Path, tools: Tools
    ) -> None:
        """Take a batch of which nothing is known.

        Args:
            batch: its inputs.
            looking: looks up some inputs at each step.
            cost: of one of its jobs.
            stop_file: tells workers to stop.
            tools: of the runtime.
        """
        self._batch, self._cost, self._stop_file, self._tools = batch, cost, stop_file, tools
        self._looking, self._unseen = looking, bool(batch.inputs)
        self._chunks = Chunks()
        disk = tools.cache.disk
        self._writer = disk.writer if batch.keep and tools.pool.local and disk is not None else None
        self._sent: dict[Future[Done], _Sent] = {}

    def work(self) -> None:
        """Keep workers busy until nothing is pending, time is up or the caller wants no more.

        Raises:
            UnavailableError: ``needs_memory``: one job alone is over the budget.
        """
        batch = self._batch
        try:
            while self._unseen or batch.pending or self._sent:
                self._look_up()
                ended = self._ended()
                if ended is not None:
                    self._wind_up(ended)
                    return
                self._send()
                self._collect()
        finally:
            self._stop_file.touch()
            for _ in self._sent:
                self._release()

    def _look_up(self) -> None:
        """Look up some more inputs, if there are any: the first misses run while the others are looked up."""
        self._unseen = self._unseen and next(self._looking, _ALL) is not _ALL
        if not self._sent:
            self.show(Phase.LOAD)

    def show(self, phase: Phase) -> None:
        """Show progress when it is time."""
        value = self._batch.meter.at(phase, len(self._batch.results), self._tools.clock.monotonic_ns())
        if value is not None:
            self._batch.show(value)

    def _ended(self) -> Cancelled | DeadlineExceeded | None:
        if self._batch.stop():
            return Cancelled()
        left = self._seconds_left()
        return DeadlineExceeded() if left is not None and left <= 0 else None

    def _seconds_left(self) -> float | None:
        if self._batch.end_ns is None:
            return None
        return (self._batch.end_ns - self._tools.clock.monotonic_ns()) / NANOSECONDS

    def _send(self) -> None:
        batch, workers = self._batch, self._tools.pool.workers
        if batch.pending:
            self._tools.admission.check(self._cost)
        while batch.pending and len(self._sent) < workers and self._admit():
            unseen = len(batch.inputs) - len(batch.keys)
            size = min(len(batch.pending), self._chunks.size(len(batch.pending) + unseen, workers))
            places = tuple([batch.pending.popleft() for _ in range(size)])
            inputs = tuple(map(batch.inputs.__getitem__, places))
            job = Job(
                batch.program_id,
                inputs,
                batch.limits,
                self._tools.make_backend,
                seconds=self._seconds_left(),
                threads=self._tools.threads,
                keys=tuple(map(batch.keys.__getitem__, places)),
                writer=self._writer,
                stop_file=self._stop_file,
            )
            self._submit(places, job)

    def _submit(self, places: tuple[int, ...], job: Job) -> None:
        """Hand an admitted job to the pool."""
        try:
            generation, future = self._tools.pool.submit(job)
        except VeritapeError:
            self._release()
            raise
        self._sent[future] = _Sent(places, generation, job)

    def _admit(self) -> bool:
        with self._tools.changed:
            admitted = self._tools.admission.start(self._cost)
        if admitted:
            self._tools.figures.busy(1)
        return admitted

    def _release(self) -> None:
        with self._tools.changed:
            self._tools.admission.end(self._cost)
            self._tools.changed.notify_all()
        self._tools.figures.busy(-1)

    def _collect(self) -> None:
        if not self._sent:
            if self._batch.pending:
                with self._tools.changed:
                    self._tools.changed.wait(LOOK_S)
            return
        patience_s = 0 if self._unseen else LOOK_S
        ended, _ = wait(self._sent, timeout=patience_s, return_when=FIRST_COMPLETED)
        taken = [(sent, done) for future in ended for sent, done in self._received(future)]
        self._send()
        for sent, done in taken:
            self._keep(sent.places, done)
        self.show(Phase.EXECUTE)

    def _received(self, future: "Future[Done]") -> Iterator[tuple[_Sent, Done]]:
        """Yield what a job that ended returned, if it did: who sends the next one first keeps the worker busy."""
        sent = self._sent.pop(future)
        error = future.exception()
        if error is None and future.result().needs_image:
            self._submit(sent.places, with_image(sent.job, self._batch.image))
            return
        self._release()
        if error is None:
            self._note(sent, future.result())
            yield sent, future.result()
        else:
            self._answer(sent, error)

    def _note(self, sent: _Sent, done: Done) -> None:
        """Learn from a job; what it did not get to is pending again."""
        if done.results:
            self._chunks.done(len(done.results), done.seconds)
        if done.costs and self._tools.costs is not None:
            self._tools.costs.add(done.costs)
        if is_fault(done.peak_bytes, self._cost):
            self._tools.note(
                LogEvent.MEMORY_UNDERESTIMATED, peak_bytes=done.peak_bytes, predicted_bytes=self._cost.bytes
            )
        self._batch.pending.extendleft(reversed(sent.places[len(done.results) :]))

    def _answer(self, sent: _Sent, error: BaseException) -> None:
        """Answer a job that ended with an error: of the pool, or of ours."""
        if is_lost(error):
            self._tools.pool.replace(sent.generation)
            self._tools.figures.restarted()
            self._tools.note(LogEvent.WORKER_LOST, items=len(sent.places))
            self._retry_alone(sent)
            return
        for place in sent.places:
            self._fail(place, Failed(RuntimeReason.INTERNAL_ERROR, f"{type(error).__name__}: {error}"))

    def _keep(self, places: Sequence[int], done: Done) -> None:
        """Make a job's receipts durable unless the worker did, then count them as finished."""
        batch = self._batch
        receipts: dict[int, bytes] = {}
        for place, result in zip(places, done.results, strict=False):
            if isinstance(result, bytes):
                receipts[place] = result
            else:
                self._fail(place, result)
        try:
            if batch.keep and receipts:
                keys = map(batch.keys.__getitem__, receipts)
                self._tools.cache.put(dict(zip(keys, receipts.values(), strict=True)), done.written)
        except OSError as error:
            for place in receipts:
                self._fail(place, not_kept(error))
            return
        batch.results.update(receipts)
        self._tools.figures.executed(len(receipts), done.cycles)

    def _retry_alone(self, sent: _Sent) -> None:
        """Try each item of a lost job once more, in a worker of its own; one that kills it again is lost."""
        left = deque(sent.places)
        while left and self._ended() is None:
            with self._tools.pool.alone() as run:
                while left and self._ended() is None and self._alone(run, left.popleft(), sent.job):
                    pass
        self._batch.pending.extendleft(reversed(left))

    def _alone(self, run: Callable[[Job], Done], place: int, job: Job) -> bool:
        """Run one item; False when its worker died and another one is needed."""
        single = replace(
            job,
            inputs=(self._batch.inputs[place],),
            keys=(self._batch.keys[place],),
            image=self._batch.image,
        )
        try:
            done = run(single)
        except Exception as error:
            if not is_lost(error):
                raise
            self._fail(place, Failed(RuntimeReason.WORKER_LOST, "its worker died twice"))
            return False
        self._keep((place,), done)
        if not done.results:
            self._batch.pending.append(place)
        return True

    def _wind_up(self, ended: Cancelled | DeadlineExceeded) -> None:
        """Stop the workers; what they finished counts, the rest ends as said."""
        self._stop_file.touch()
        for _ in self._looking:
            pass  # what the cache has is no work: it is answered
        for future in [future for future in self._sent if future.cancel()]:
            self._sent.pop(future)
            self._release()
        done, stuck = wait(self._sent, timeout=self._tools.kill_grace_s)
        for future in done:
            sent = self._sent.pop(future)
            self._release()
            if future.exception() is None:
                self._keep(sent.places, future.result())
        if stuck:
            self._tools.pool.kill()
            self._tools.figures.restarted()
            self._tools.note(LogEvent.WORKERS_KILLED, jobs=len(stuck))
        for future in stuck:
            self._sent.pop(future)
            self._release()
        for place in range(len(self._batch.inputs)):
            self._batch.results.setdefault(place, ended)
        self._batch.pending.clear()

    def _fail(self, place: int, failed: Failed) -> None:
        self._batch.results[place] = failed
        self._tools.figures.failed(failed.reason)


_ALL: Final = object()
"""All inputs were looked up."""


def not_kept(error: OSError) -> Failed:
    """Return the failure of an item whose receipt the disk refused."""
    return Failed(RuntimeReason.CACHE_WRITE_FAILED, f"the cache cannot be written: {error.strerror or error}")
