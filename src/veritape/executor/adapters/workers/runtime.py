"""The runtime: one item or a batch through cache, admission and workers (EX-342).

A batch is looked up first and only what is missing is executed, so one that was killed and is started again goes on where it was.
Results stand in the order of the inputs; equal inputs are executed once. ``submit`` queues single items behind a bounded queue.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Self

from veritape.executor.adapters.cache.receipt_cache import ReceiptCache
from veritape.executor.adapters.scratch import temporary_folder
from veritape.executor.adapters.workers.batch import Batch, Show
from veritape.executor.adapters.workers.batch_run import (
    LOOK_S,
    BatchRun,
    Tools,
    not_kept,
)
from veritape.executor.adapters.workers.costs import CostFile
from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.adapters.workers.jobs import MakeBackend
from veritape.executor.adapters.workers.looking_up import KeysOf
from veritape.executor.adapters.workers.pool import WorkerPool
from veritape.executor.aggregation.decider import AggregationDecider
from veritape.executor.aggregation.plans import Context, Mode
from veritape.executor.backend import TraceBackend
from veritape.executor.cache.entries import Namespace, cache_keys
from veritape.executor.digests import Tag
from veritape.executor.image import Image
from veritape.executor.log_events import LogEvent, Note, note_nothing
from veritape.executor.runtime.admission import Admission
from veritape.executor.runtime.batching import check_size, distinct
from veritape.executor.runtime.outcomes import Executed, Failed, Outcome, RuntimeReason
from veritape.executor.runtime.presets import Parallel
from veritape.executor.runtime.progress import Meter, Phase, Progress
from veritape.executor.vm.execution import DEFAULT_LIMITS, Limits, Stop, never
from veritape.executor.vm.traps import TrapReason
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import CheckFailedError, MisuseError, UnavailableError, VeritapeError

KILL_GRACE_S = 5.0
"""Seconds that a worker gets to see the stop file before it is killed."""

QUEUE_LIMIT = 4000
"""Items that wait unless the settings say otherwise: four batches of a thousand."""


def show_nothing(_: Progress) -> None:
    """Drop a progress value."""


class L2Runtime:
    """Runs guests; a context manager. Collaborators are arguments."""

    def __init__(
        self,
        backend: TraceBackend,
        make_backend: MakeBackend,
        pool: WorkerPool,
        cache: ReceiptCache,
        figures: Figures,
        clock: Clock,
        budget_bytes: int,
        queue_limit: int = QUEUE_LIMIT,
        kill_grace_s: float = KILL_GRACE_S,
        note: Note = note_nothing,
        decider: AggregationDecider | None = None,
        threads: int = 1,
        costs: CostFile | None = None,
    ) -> None:
        reason = backend.available()
        if reason is not None:
            raise UnavailableError(f"backend_unavailable: {reason}", RuntimeReason.BACKEND_UNAVAILABLE)
        self._backend, self.pool, self._clock = backend, pool, clock
        self.cache, self.figures = cache, figures
        self._changed = threading.Condition()
        admission = Admission(budget_bytes)
        self._tools = Tools(
            pool,
            make_backend,
            cache,
            figures,
            clock,
            admission,
            self._changed,
            kill_grace_s,
            threads,
            note,
            costs,
        )
        self.parallel = Parallel(pool.workers, threads)
        """How jobs run side by side."""
        self._decider, self._context = (
            decider,
            Context(True, pool.workers, threads, memory_bytes=budget_bytes),
        )
        self.queue_limit = queue_limit
        """Items that may wait."""
        self._waiting: deque[tuple[int, Callable[[], Outcome], Future[Outcome]]] = deque()
        self._threads: list[threading.Thread] = []
        self._closed, self._cancelled = threading.Event(), threading.Event()
        self.longest_queue = 0
        """Most items that ever waited."""
        figures.workers(pool.workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(cancel=True)

    def run(
        self,
        image: Image,
        input_bytes: bytes,
        limits: Limits = DEFAULT_LIMITS,
        seconds: float | None = None,
        stop: Stop = never,
    ) -> Outcome:
        """Return what one input gives; of all who ask for it at once, one executes it.

        Raises:
            UnavailableError: ``needs_memory``.
        """
        (key,) = self._keys(self._backend.program_id(image), (input_bytes,))
        made: list[Outcome] = []

        def make() -> bytes:
            (outcome,) = self._execute(image, (input_bytes,), limits, seconds, stop, key=key)
            made.append(outcome)
            if isinstance(outcome, Executed):
                return outcome.data
            raise _NotExecutedError(outcome)

        try:
            data = self.cache.get_or_make(key, make)
        except _NotExecutedError as error:
            return error.outcome
        except OSError as error:
            self.figures.failed(RuntimeReason.CACHE_WRITE_FAILED)
            return not_kept(error)
        self.figures.cache_sizes(self.cache.sizes())
        return made[0] if made else _from_cache(data, limits, 0)

    def run_batch(
        self,
        image: Image,
        inputs: Sequence[bytes],
        limits: Limits = DEFAULT_LIMITS,
        seconds: float | None = None,
        stop: Stop = never,
        show: Show = show_nothing,
    ) -> list[Outcome]:
        """Return what each input gives, in order; one bad item costs no other.

        Raises:
            MisuseError: ``too_many_items``.
            UnavailableError: ``needs_memory``: one job alone is over the budget.
        """
        check_size(len(inputs))
        chosen, places = distinct(inputs)
        outcomes = self._execute(image, chosen, limits, seconds, stop, show)
        self._decide(next((one.index + 1 for one in reversed(outcomes) if isinstance(one, Executed)), 0))
        return outcomes if len(outcomes) == len(inputs) else [outcomes[place] for place in places]

    def _decide(self, claims: int) -> None:
        """Say how a batch's claims would become one proof; its figures are estimates and called so (EX-450, 605)."""
        if self._decider is None or not claims:
            return
        costs = self._tools.costs
        if costs is not None and self._decider.config.mode is Mode.MEASURED:
            self._decider = replace(self._decider, costs=costs.known())
        try:
            decision = self._decider.decide(claims, self._context)
        except CheckFailedError as error:
            self._tools.note(LogEvent.AGGREGATION_INFEASIBLE, count=claims, why=error.message)
            return
        self._decider = replace(self._decider, history=decision.history)
        self._tools.note(LogEvent.AGGREGATION_DECIDED, **decision.logged(), context=vars(self._context))
        if decision.estimate is not None:
            self.figures.estimated(decision.estimate)

    def prove_batch(self, image: Image, inputs: Sequence[bytes]) -> list[Outcome]:
        """Refuse: this backend executes and does not prove.

        Raises:
            MisuseError: ``backend_cannot_prove``.
        """
        del image, inputs
        text = f"backend_cannot_prove: the backend {self._backend.name} executes; nothing here is proven"
        raise MisuseError(text, RuntimeReason.BACKEND_CANNOT_PROVE)

    def submit(
        self,
        image: Image,
        input_bytes: bytes,
        limits: Limits = DEFAULT_LIMITS,
        seconds: float | None = None,
        stop: Stop = never,
        *,
        block: bool = True,
    ) -> "Future[Outcome]":
        """Queue one item; waits while the queue is full.

        Raises:
            UnavailableError: ``queue_full`` without ``block``, or ``closed``.
        """
        future: Future[Outcome] = Future()
        with self._changed:
            while len(self._waiting) >= self.queue_limit and not self._closed.is_set():
                if not block:
                    text = f"queue_full: {self.queue_limit} items wait: try again later"
                    raise UnavailableError(text, RuntimeReason.QUEUE_FULL)
                self._changed.wait(LOOK_S)
            if self._closed.is_set():
                raise UnavailableError("closed: the runtime takes no more jobs", RuntimeReason.CLOSED)
            ticket = self.figures.queued(self._clock.monotonic_ns())
            self._waiting.append(
                (ticket, lambda: self.run(image, input_bytes, limits, seconds, stop), future)
            )
            self.longest_queue = max(self.longest_queue, len(self._waiting))
            self._start_threads()
            self._changed.notify_all()
        return future

    def cancel(self) -> None:
        """Cancel what waits and runs; nothing is taken any more."""
        self._closed.set()
        self._cancelled.set()
        with self._changed:
            self._changed.notify_all()

    def close(self, *, cancel: bool = False) -> None:
        """End: with ``cancel`` what waits and runs is cancelled, else it is finished first."""
        self._closed.set()
        if cancel:
            self.cancel()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self.pool.close()
        self.cache.close()

    def _start_threads(self) -> None:
        """Have as many threads as workers, made when they are first needed."""
        while len(self._threads) < self.pool.workers:
            thread = threading.Thread(target=self._serve, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed.is_set():
                    self._changed.wait()
                if not self._waiting:
                    return
                ticket, work, future = self._waiting.popleft()
                self._changed.notify_all()
            self.figures.started(ticket)
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except Exception as error:  # noqa: BLE001 - top of a thread: it goes to who asked
                    future.set_exception(error)

    def _keys(self, program: bytes, inputs: Sequence[bytes]) -> list[bytes]:
        digests = self._backend.simulator.digests(Tag.INPUT, inputs)
        return cache_keys(Namespace.TRACE, program, digests)

    def _execute(
        self,
        image: Image,
        inputs: Sequence[bytes],
        limits: Limits,
        seconds: float | None,
        stop: Stop,
        show: Show = show_nothing,
        *,
        key: bytes | None = None,
    ) -> list[Outcome]:
        """Look up, execute what is missing, keep it; inputs are distinct. With a ``key`` the caller sees to its cache."""
        now_ns = self._clock.monotonic_ns()
        program = self._backend.program_id(image)
        end_ns = None if seconds is None else now_ns + int(seconds * NANOSECONDS)
        meter = Meter(program.hex()[:12], len(inputs), now_ns)
        stopped: Stop = lambda: self._cancelled.is_set() or stop()  # noqa: E731 - one line
        batch = Batch(image, program, inputs, limits, end_ns, stopped, meter, show, kept=key is None)
        if key is None:
            batch.unseen.extend(range(len(inputs)))
        else:
            batch.keys[0] = key
            batch.pending.append(0)
        keys_of: KeysOf = lambda some: self._keys(program, some)  # noqa: E731 - one line
        longest = max(map(len, inputs), default=0)
        cost = self._backend.estimate(image, longest, limits, self._tools.threads)
        with temporary_folder("job") as folder:
            run = BatchRun(batch, keys_of, cost, folder, self._tools)
            run.work()
            run.show(Phase.WRITE)
        self.figures.cache_sizes(self.cache.sizes())
        return _outcomes(batch)


class _NotExecutedError(VeritapeError):
    """Carries an outcome without a receipt through the cache to all who wait for it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("not executed")
        self.outcome = outcome


def _outcomes(batch: Batch) -> list[Outcome]:
    """Return the results in order; receipts with the place of their claim in the list of all claims."""
    results: Any = batch.results
    if batch.executed == len(results):
        return list(results)
    claims = 0
    for place, result in enumerate(results):
        if place in batch.cached:
            results[place] = _from_cache(batch.cached[place], batch.limits, claims)
        elif isinstance(result, Executed):
            result.index = claims
        claims += isinstance(results[place], Executed)
    return list(results)


def _from_cache(data: bytes, limits: Limits, index: int) -> Outcome:
    """Return a receipt that was found; limits of a run are not in its key, so they are looked at here."""
    found = Executed(data, index, cached=True)
    claim = found.receipt.claim
    if claim.cycles > limits.cycles:
        return Failed(TrapReason.CYCLE_LIMIT, f"{claim.cycles} cycles, at most {limits.cycles}")
    if claim.journal_bytes > limits.journal_bytes:
        return Failed(
            TrapReason.JOURNAL_LIMIT,
            f"{claim.journal_bytes} bytes of journal, at most {limits.journal_bytes}",
        )
    return found
