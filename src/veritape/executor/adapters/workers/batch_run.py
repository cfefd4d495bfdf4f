"""One batch on its way through the workers (EX-343 to 354).

A batch may begin in this process; what a second was too short for goes to workers, in pieces of about a second; a piece is durable
before its items count as finished. A worker that dies takes nothing with it but what was handed out, whose items are tried again, each
alone. When time is up or the caller wants no more, the workers see a stop file; who does not within the grace is killed, and what
was finished counts.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from veritape.executor.adapters.cache.receipt_cache import ReceiptCache
from veritape.executor.adapters.workers.batch import Batch
from veritape.executor.adapters.workers.costs import CostFile
from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.adapters.workers.jobs import Done, Job, MakeBackend, with_image
from veritape.executor.adapters.workers.looking_up import KeysOf, LookUp
from veritape.executor.adapters.workers.pool import WorkerPool, is_lost
from veritape.executor.adapters.workers.slots import Slots
from veritape.executor.log_events import LogEvent, Note
from veritape.executor.runtime.admission import Admission, is_fault
from veritape.executor.runtime.batching import CHUNK_ITEMS, Chunks, Schedule
from veritape.executor.runtime.outcomes import Cancelled, Cost, DeadlineExceeded, Failed, RuntimeReason
from veritape.executor.runtime.progress import Phase
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import VeritapeError

HERE_S = 1.0
"""Seconds of a batch in this process before workers are started for the rest: about what one takes to start."""

LOOK_S = 0.05
"""Seconds between two looks at the stop token and the deadline while workers are busy."""


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


@dataclass(frozen=True)
class _Sent:
    places: tuple[int, ...]
    generation: int
    job: Job
    here: bool = False


class BatchRun:
    """Works a batch off; made for one batch."""

    def __init__(self, batch: Batch, keys_of: KeysOf, cost: Cost, folder: Path, tools: Tools) -> None:
        """Take a batch of which nothing is known.

        Args:
            batch: its inputs.
            keys_of: forms keys of the cache.
            cost: of one of its jobs.
            folder: of this batch alone; what it tells workers beside their jobs.
            tools: of the runtime.
        """
        self._batch, self._cost, self._tools = batch, cost, tools
        self._stop_file, self._held = folder / "stop", folder / "held"
        self._chunks, self._schedule = Chunks(), Schedule(tools.pool.workers)
        self._slots = Slots(tools.admission, tools.changed, tools.figures, cost)
        disk = tools.cache.disk
        self._writer = disk.writer if batch.kept and tools.pool.local and disk is not None else None
        self._looking = LookUp(batch, tools.cache, keys_of, self._held if self._writer else None)
        self._sent: dict[Future[Done], _Sent] = {}
        self._here_s = HERE_S if tools.pool.begins_here and len(batch.inputs) <= CHUNK_ITEMS else 0.0

    def work(self) -> None:
        """Keep workers busy until nothing is pending, time is up or the caller wants no more.

        Raises:
            UnavailableError: ``needs_memory``: one job alone is over the budget.
        """
        batch = self._batch
        try:
            while batch.unseen or batch.pending or self._sent:
                self._look_up()
                ended = self._ended()
                if ended is not None:
                    self._wind_up(ended)
                    return
                self._send()
                self._collect()
        finally:
            self._stop_file.touch()
            self._slots.keep(0)

    def _look_up(self) -> None:
        """Look up some more inputs, if there are any: the first misses run while the others are looked up."""
        self._looking.some()
        if not self._sent:
            self.show(Phase.LOAD)

    def show(self, phase: Phase) -> None:
        """Show progress when it is time."""
        value = self._batch.meter.at(phase, self._batch.done, self._tools.clock.monotonic_ns())
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
        if self._here_s > 0:
            self._send_here()
            return
        batch = self._batch
        while (source := self._to_send()) and (size := self._next_size()):
            places = tuple([source.popleft() for _ in range(min(size, len(source)))])
            self._submit(places, self._job(places, known=source is batch.pending))

    def _next_size(self) -> int:
        """Return the items of the next job: for a worker that is free, or to wait for the next one that is; 0: not now."""
        workers, sent = self._tools.pool.workers, len(self._sent)
        left = len(self._batch.pending) + len(self._batch.unseen)
        if self._slots.held > sent or (self._slots.held < workers and self._slots.take()):
            return self._chunks.size(left, self._schedule.busy_s(self._now_s()))
        waits = workers == self._slots.held <= sent < 2 * workers
        return self._chunks.ahead(left, self._schedule.busy_s(self._now_s())) if waits else 0

    def _now_s(self) -> float:
        return self._tools.clock.monotonic_ns() / NANOSECONDS

    def _send_here(self) -> None:
        """Begin with all that can be sent, in this process: a short batch is over before a worker has started."""
        if self._sent or not (source := self._to_send()) or not self._slots.take():
            return
        places = tuple(source)
        source.clear()
        job = self._job(places, known=source is self._batch.pending)
        seconds = self._here_s if job.seconds is None else min(self._here_s, job.seconds)
        job = replace(job, seconds=seconds, image=self._batch.image)
        generation, future = self._tools.pool.submit_here(job)
        self._sent[future] = _Sent(places, generation, job, here=True)

    def _to_send(self) -> deque[int]:
        """Return the places that can be sent: those that were looked up, or else those that the workers are to look up."""
        batch = self._batch
        source = batch.unseen if self._looking.by_workers and not batch.pending else batch.pending
        if source:
            self._tools.admission.check(self._cost)
        return source

    def _job(self, places: Sequence[int], *, known: bool) -> Job:
        """Make a job of the inputs at some places; ``known``: they were looked up."""
        batch = self._batch
        keys = tuple(map(batch.keys.__getitem__, places)) if known else ()
        return Job(
            batch.program_id,
            tuple(map(batch.inputs.__getitem__, places)),
            batch.limits,
            self._tools.make_backend,
            seconds=self._seconds_left(),
            threads=self._tools.threads,
            keys=keys,
            writer=self._writer,
            held=None if keys else self._held,
            stop_file=self._stop_file,
        )

    def _submit(self, places: tuple[int, ...], job: Job) -> None:
        """Hand an admitted job to the pool."""
        try:
            generation, future = self._tools.pool.submit(job)
        except VeritapeError:
            self._slots.keep(len(self._sent))
            raise
        self._sent[future] = _Sent(places, generation, job)
        self._schedule.sent(future, len(places) * self._chunks.pace_s, self._now_s())

    def _collect(self) -> None:
        if not self._sent:
            if self._to_send():
                with self._tools.changed:
                    self._tools.changed.wait(LOOK_S)
            return
        patience_s = 0 if self._looking.here else LOOK_S
        ended, _ = wait(self._sent, timeout=patience_s, return_when=FIRST_COMPLETED)
        taken = [(sent, done) for future in ended for sent, done in self._received(future)]
        if self._ended() is None:
            self._send()
        for sent, done in taken:
            self._keep(sent, done)
        self.show(Phase.EXECUTE)

    def _received(self, future: "Future[Done]") -> Iterator[tuple[_Sent, Done]]:
        """Yield what a job that ended returned, if it did: who sends the next one first keeps the worker busy."""
        sent = self._sent.pop(future)
        if not sent.here:
            self._schedule.answered(future, self._now_s())
        error = future.exception()
        if error is None and future.result().needs_image:
            self._submit(sent.places, with_image(sent.job, self._batch.image))
            return
        self._slots.keep(len(self._sent))
        if error is None:
            self._note(sent, future.result())
            yield sent, future.result()
        else:
            self._answer(sent, error)

    def _note(self, sent: _Sent, done: Done) -> None:
        """Learn from a job; what it did not get to is pending again."""
        if len(done.results) > len(done.others):
            self._chunks.done(len(done.results), done.seconds)
        if sent.here:
            self._here_s = self._here_s - done.seconds if len(done.results) == len(sent.places) else 0.0
        if done.costs and self._tools.costs is not None:
            self._tools.costs.add(done.costs)
        if is_fault(done.peak_bytes, self._cost):
            self._tools.note(
                LogEvent.MEMORY_UNDERESTIMATED, peak_bytes=done.peak_bytes, predicted_bytes=self._cost.bytes
            )
        self._put_back(sent, sent.places[len(done.results) :])

    def _put_back(self, sent: _Sent, places: Sequence[int]) -> None:
        """Have places of a job worked on by another one: nothing became of them."""
        (self._batch.pending if sent.job.keys else self._batch.unseen).extendleft(reversed(places))

    def _answer(self, sent: _Sent, error: BaseException) -> None:
        """Answer a job that ended with an error: of the pool, or of ours."""
        if is_lost(error):
            self._tools.pool.replace(sent.generation)
            self._tools.figures.restarted()
            self._tools.note(LogEvent.WORKER_LOST, items=len(sent.places))
            self._retry_alone(sent)
            return
        self._end(sent, Failed(RuntimeReason.INTERNAL_ERROR, f"{type(error).__name__}: {error}"))

    def _end(self, sent: _Sent, failed: Failed) -> None:
        """Have all items of a job fail."""
        for place in sent.places:
            self._fail(place, failed)
        if not sent.job.keys:
            self._tools.cache.missed(len(sent.places))

    def _keep(self, sent: _Sent, done: Done) -> None:
        """Make a job's receipts durable unless the worker did, then count them as finished."""
        places, keys, results = sent.places, sent.job.keys or done.keys, done.results
        for number in done.others:
            failed = results[number]
            if isinstance(failed, Failed):
                self._fail(places[number], failed)
        if not sent.job.keys:
            self._looking.answered(places, keys, done)
        made: Any = range(len(results))
        if done.others:
            made = sorted(set(made).difference(done.others))
            places, keys, results = (
                tuple([some[number] for number in made]) for some in (places, keys, results)
            )
        self._finish(places[: len(made)], keys, results, done)

    def _finish(
        self, places: Sequence[int], keys: Sequence[bytes], receipts: Sequence[Any], done: Done
    ) -> None:
        """Count receipts as finished that are durable, or made so now."""
        try:
            if self._batch.kept and receipts:
                self._tools.cache.put(dict(zip(keys, receipts, strict=False)), done.written)
        except OSError as error:
            for place in places:
                self._fail(place, not_kept(error))
            return
        self._batch.keep(places, receipts)
        self._tools.figures.executed(len(receipts), done.cycles)

    def _retry_alone(self, sent: _Sent) -> None:
        """Try each item of a lost job alone, in a worker of its own; one that kills two of them is lost.

        One does not tell: who waited, or ran beside the worker that died, went with it and had no death of its own.
        """
        left, killers = deque(sent.places), set[int]()
        while left and self._ended() is None:
            with self._tools.pool.alone() as run:
                while left and self._ended() is None and self._alone(run, left, killers, sent):
                    pass
        self._put_back(sent, tuple(left))

    def _alone(self, run: Callable[[Job], Done], left: deque[int], killers: set[int], lost: _Sent) -> bool:
        """Run the next item of a lost job; False when its worker died and another one is needed."""
        place = left.popleft()
        keys = (self._batch.keys[place],) if lost.job.keys else ()
        job = replace(lost.job, inputs=(self._batch.inputs[place],), keys=keys, image=self._batch.image)
        single = replace(lost, places=(place,), job=job)
        try:
            done = run(job)
        except Exception as error:
            if not is_lost(error):
                raise
            if place in killers:
                self._end(single, Failed(RuntimeReason.WORKER_LOST, "its worker died twice"))
            else:
                killers.add(place)
                left.appendleft(place)
            return False
        self._keep(single, done)
        if not done.results:
            self._put_back(single, (place,))
        return True

    def _wind_up(self, ended: Cancelled | DeadlineExceeded) -> None:
        """Stop the workers; what they finished counts, the rest ends as said."""
        self._stop_file.touch()
        for future in [future for future in self._sent if future.cancel()]:
            sent = self._sent.pop(future)
            self._put_back(sent, sent.places)
        self._looking.rest()
        done, stuck = wait(self._sent, timeout=self._tools.kill_grace_s)
        for future in done:
            sent = self._sent.pop(future)
            if future.exception() is None:
                self._keep(sent, future.result())
                self._put_back(sent, sent.places[len(future.result().results) :])
            else:
                self._put_back(sent, sent.places)
        if stuck:
            self._tools.pool.kill()
            self._tools.figures.restarted()
            self._tools.note(LogEvent.WORKERS_KILLED, jobs=len(stuck))
        for future in stuck:
            sent = self._sent.pop(future)
            self._put_back(sent, sent.places)
        self._slots.keep(0)
        self._looking.rest()
        for place in self._batch.rest():
            self._batch.end(place, ended)
        self._batch.pending.clear()

    def _fail(self, place: int, failed: Failed) -> None:
        self._batch.end(place, failed)
        self._tools.figures.failed(failed.reason)


def not_kept(error: OSError) -> Failed:
    """Return the failure of an item whose receipt the disk refused."""
    return Failed(RuntimeReason.CACHE_WRITE_FAILED, f"the cache cannot be written: {error.strerror or error}")
