"""A pool of workers that survives the death of one (EX-348, 350, 354).

Any ``concurrent.futures.Executor`` will do; a pool makes one when it is first needed and a new one when a worker died. What was
running then is for the caller to try again, alone. A pool for one batch may begin in this process: most batches are short, and a
worker takes a second to start.
"""

import contextlib
import fcntl
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import forkserver
from typing import Any, Final

from veritape.executor.adapters.scratch import keep_sockets_here
from veritape.executor.adapters.workers.jobs import Done, Job, MakeBackend, run_job, warm_up
from veritape.executor.adapters.workers.machine import process_peak_bytes, processor_ns
from veritape.kernel.errors import MisuseError, UnavailableError

MakeExecutor = Callable[[int], Executor]
"""Makes an executor with so many workers."""

PIPE_BYTES: Final = 1 << 20
"""Of the pipe that brings answers: the most that any user may have; a thousand receipts take a third of it."""

PRELOADED: Final = ("numba", "veritape.executor.adapters.workers.jobs")
"""What the fork server loads once for all workers: two thirds of what one takes to start, and all of what is the same in each. Numba starts
its threads when it first runs something, so a process that has only loaded it can be forked; NumPy's library makes its own anew."""

SILENT: Final = "ignore:resource_tracker:UserWarning"
"""A filter of warnings, as Python's option -W has it: what the interpreters that this one starts do not say."""

LOST: Final = ("KilledWorker", "CommClosedError", "FutureCancelledError")
"""Names of the errors with which Dask says that a worker is gone for good; its package is not imported here."""


def process_executor(workers: int) -> Executor:
    """Return processes started by a fork server: a fork of a process with Numba's threads is unsafe.

    Raises:
        MisuseError: the folder for temporary files is too deep for the socket of the fork server.
    """
    context = multiprocessing.get_context("forkserver")
    _start_server()
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_belong_to_parent)
    _widen(executor)
    return executor


def _widen(executor: Any) -> None:
    """Let an answer fit its pipe: else it comes in pieces of 64 KiB, and both sides wait for each other at every one."""
    pipe = getattr(getattr(executor, "_result_queue", None), "_writer", None)
    if pipe is not None:
        with contextlib.suppress(
            OSError
        ):  # the user's pipes have all the pages that they may: slower, and no worse
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _start_server() -> None:
    """Start the fork server with Ctrl-C blocked, which its children inherit: an interpreter that starts would print a traceback.

    The tracker of shared names starts with it and says nothing of those that a process leaves that ends at once: it removes them.
    """
    forkserver.set_forkserver_preload(list(PRELOADED))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sys.warnoptions.append(SILENT)
    try:
        keep_sockets_here()
        forkserver.ensure_running()
    except OSError as error:
        if error.errno is not None:
            raise
        raise MisuseError(
            f"{tempfile.gettempdir()}: a path too long for a socket: set TMPDIR to a folder with a shorter one"
        ) from error
    finally:
        sys.warnoptions.remove(SILENT)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _belong_to_parent() -> None:
    """Leave Ctrl-C to the parent, and end with it: a killed parent cannot tell its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def thread_executor(workers: int) -> Executor:
    """Return threads of this process, for tests and for single executions."""
    return ThreadPoolExecutor(workers)


def dask_executor(address: str) -> MakeExecutor:
    """Return what makes the executor of a Dask cluster.

    Raises:
        UnavailableError: no cluster answers, when the executor is made.
    """

    def make(workers: int) -> Executor:
        del workers
        try:
            from distributed import Client  # noqa: PLC0415 - only who uses Dask has it
        except ImportError as error:
            raise UnavailableError("pool dask: needs veritape[dask]") from error
        try:
            client: Any = Client(address, set_as_default=False, timeout="3s")  # type: ignore[no-untyped-call]  # not typed
        except OSError as error:
            raise UnavailableError(f"pool dask:{address}: no scheduler answers: {error}") from error
        executor: Executor = client.get_executor(pure=False)
        return executor

    return make


def make_executor(pool: str) -> MakeExecutor:
    """Return what makes the executor that a setting names.

    Raises:
        MisuseError: no such pool.
    """
    name, _, address = pool.partition(":")
    if name == "dask" and address:
        return dask_executor(address)
    if pool in {"process", "thread"}:
        return {"process": process_executor, "thread": thread_executor}[pool]
    raise MisuseError(f"executor.pool: {pool!r}: one of process, thread, dask:ADDRESS")


class WorkerPool:
    """Workers behind one executor at a time."""

    def __init__(
        self, make: MakeExecutor, workers: int, make_backend: MakeBackend, *, begins_here: bool = False
    ) -> None:
        self._make, self.workers, self._make_backend = make, workers, make_backend
        self._begins_here = begins_here
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._here: Executor | None = None
        self._generation = 0
        self.local = make in (process_executor, thread_executor)
        """Its workers are of this machine: they share its files."""
        self.restarts = 0
        """Executors replaced because a worker died."""

    def submit(self, job: Job) -> "tuple[int, Future[Done]]":
        """Hand a job to a worker; returns the executor's generation, for ``replace``, and the future."""
        with self._lock:
            for _ in range(2):
                executor = self._executor = self._executor or self._make(self.workers)
                try:
                    return self._generation, executor.submit(run_job, job)
                except BrokenExecutor:
                    self._discard()
            raise UnavailableError("the workers die as soon as they start: look at the system's log")

    @property
    def begins_here(self) -> bool:
        """Tell whether this process is to begin: it may, and no worker has been started."""
        return self._begins_here and self._executor is None

    def submit_here(self, job: Job) -> "tuple[int, Future[Done]]":
        """Run a job in a thread of this process, like ``submit``; its time begins when the backend is ready, which may have to compile."""
        with self._lock:
            self._here = self._here or ThreadPoolExecutor(1)
            return self._generation, self._here.submit(_run_ready, job)

    def replace(self, generation: int) -> None:
        """Make a new executor next time, unless somebody already saw to it."""
        with self._lock:
            if generation == self._generation:
                self._discard()

    @contextlib.contextmanager
    def alone(self) -> Iterator[Callable[[Job], Done]]:
        """Give a function that runs one job at a time in a fresh worker of its own.

        It raises what the executor raises; ``is_lost`` tells whether the worker died.
        """
        executor = self._make(1)
        try:
            yield lambda job: executor.submit(run_job, job).result()
        finally:
            _shut_down(executor, wait=False)

    def ready(self) -> bool:
        """Start a worker and make it ready; True when it answers.

        Workers that died are replaced the next time, whether or not a job comes meanwhile.

        Raises:
            BrokenExecutor: they died.
        """
        with self._lock:
            executor = self._executor = self._executor or self._make(self.workers)
            generation = self._generation
        try:
            return executor.submit(warm_up, self._make_backend).result()
        except BrokenExecutor:
            self.replace(generation)
            raise

    def peak_bytes(self) -> int:
        """Return the most memory that one worker process has taken so far; workers that are threads take it in this process."""
        return max(process_peak_bytes(pid) for pid in (self._pids() or [os.getpid()]))

    def processor_ns(self) -> int:
        """Return the processor time that the worker processes have taken; 0 for workers that are threads."""
        return sum(map(processor_ns, self._pids()))

    def kill(self) -> None:
        """End the workers without waiting for what they run; the next job gets new ones."""
        with self._lock:
            self._generation += 1
        for executor in self._taken():
            _kill(executor)

    def close(self) -> None:
        """End the workers when they have finished what they run."""
        for executor in self._taken():
            _shut_down(executor, wait=True)

    def processes(self) -> int:
        """Return the worker processes that there are; 0 for workers that are threads, or elsewhere, or that nobody needed yet."""
        return len(self._pids())

    def _taken(self) -> list[Executor]:
        with self._lock:
            taken = [one for one in (self._executor, self._here) if one is not None]
            self._executor = self._here = None
        return taken

    def _pids(self) -> list[int]:
        with self._lock:
            processes: Any = getattr(self._executor, "_processes", None) or {}
            return list(processes)

    def _discard(self) -> None:
        executor, self._executor = self._executor, None
        self._generation += 1
        self.restarts += 1
        if executor is not None:
            _shut_down(executor, wait=False)


def _run_ready(job: Job) -> Done:
    warm_up(job.make_backend)
    return run_job(job)


def is_lost(error: BaseException) -> bool:
    """Tell whether an executor's error says that the worker died."""
    return isinstance(error, BrokenExecutor) or type(error).__name__ in LOST


def _kill(executor: Executor) -> None:
    processes: Any = getattr(executor, "_processes", None) or {}
    for process in list(processes.values()):
        process.kill()
    _shut_down(executor, wait=False)


def _shut_down(executor: Executor, *, wait: bool) -> None:
    """End an executor; Dask's leaves its client to us."""
    executor.shutdown(wait=wait)
    client: Any = getattr(executor, "_client", None)
    if client is not None:
        client.close()
