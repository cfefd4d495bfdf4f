"""Pools of workers."""

import fcntl
import os
import signal
import subprocess
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from typing import Any

import pytest
from tests.receipt_caches import ECHO

from veritape.apps.compiled_kernels import trace_backend
from veritape.executor.adapters.workers.jobs import Job
from veritape.executor.adapters.workers.machine import process_peak_bytes
from veritape.executor.adapters.workers.pool import (
    PIPE_BYTES,
    PRELOADED,
    WorkerPool,
    is_lost,
    make_executor,
    process_executor,
    thread_executor,
)
from veritape.executor.vm.execution import Limits
from veritape.kernel.errors import MisuseError, UnavailableError

MIB = 1 << 20
JOB = Job(b"echo", (b"abcd",), Limits(), trace_backend, ECHO)


def test_a_pool_is_named_by_a_setting() -> None:
    """EX-661: process, thread or dask:ADDRESS; anything else names the key."""
    assert make_executor("process") is process_executor
    assert make_executor("thread") is thread_executor
    for name in ("dask", "dask:", "other", ""):
        with pytest.raises(MisuseError, match=r"executor\.pool"):
            make_executor(name)


def test_workers_of_this_machine_are_known() -> None:
    """EX-348, EX-405: only they may be given the cache's folder and secret."""
    makes = (process_executor, thread_executor, make_executor("dask:tcp://127.0.0.1:1"), ThreadPoolExecutor)
    assert [WorkerPool(make, 1, trace_backend).local for make in makes] == [True, True, False, False]


def test_a_dask_scheduler_that_does_not_answer_is_named() -> None:
    """EX-348: one line with the address."""
    with pytest.raises(UnavailableError, match="no scheduler answers"):
        make_executor("dask:tcp://127.0.0.1:1")(1)


def test_workers_are_processes_of_a_fork_server() -> None:
    """EX-348: another process than ours, made ready before the first job."""
    pool = WorkerPool(process_executor, 1, trace_backend)
    assert pool.ready()
    _, future = pool.submit(JOB)
    assert len(future.result().results) == 1
    assert pool.peak_bytes() > MIB
    pool.close()
    pool.close()


def test_the_fork_server_loads_once_what_every_worker_needs() -> None:
    """EX-914: workers find it loaded: each is a module that there is, and loading it starts no thread of Numba, which a fork would lose."""
    pool = WorkerPool(process_executor, 1, trace_backend)
    assert pool.ready()
    server: Any = forkserver._forkserver
    assert server._preload_modules == list(PRELOADED)
    script = f"import importlib, os\nfor name in {PRELOADED}: importlib.import_module(name)\nprint(len(os.listdir('/proc/self/task')))"
    environment = {"OPENBLAS_NUM_THREADS": "1"}  # NumPy's has one a core, and makes them anew after a fork
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
    pool.close()


def test_a_pool_may_begin_in_this_process() -> None:
    """EX-349: until a worker is there, and then no more; its thread ends with the pool."""
    pool = WorkerPool(process_executor, 1, trace_backend, begins_here=True)
    assert pool.begins_here
    _, future = pool.submit_here(JOB)
    assert len(future.result().results) == 1
    assert (pool.begins_here, pool.processes()) == (True, 0)
    assert pool.ready()
    assert (pool.begins_here, pool.processes()) == (False, 1)
    pool.close()
    assert pool.processes() == 0
    assert not WorkerPool(process_executor, 1, trace_backend).begins_here


def test_an_answer_fits_its_pipe() -> None:
    """EX-913: neither the worker nor who waits for it is woken for every 64 KiB."""
    executor: Any = process_executor(1)
    size = fcntl.fcntl(executor._result_queue._writer.fileno(), fcntl.F_GETPIPE_SZ)
    executor.shutdown()
    assert size == PIPE_BYTES


ENDED_AT_ONCE = """
import os
from veritape.executor.adapters.workers.pool import process_executor
assert process_executor(1).submit(abs, -1).result() == 1
os._exit(3)
"""


def test_a_process_that_ends_at_once_says_nothing_of_what_it_shared() -> None:
    """EX-633: Ctrl-C may end a batch before its pool is closed; the names that it leaves are removed in silence."""
    done = subprocess.run([sys.executable, "-c", ENDED_AT_ONCE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert not [one for one in sys.warnoptions if "resource_tracker" in one]


def test_workers_that_are_threads_take_this_process_s_memory() -> None:
    """EX-682: the peak of a run is of the process that executed."""
    assert (
        WorkerPool(thread_executor, 1, trace_backend).peak_bytes()
        >= process_peak_bytes(os.getpid()) - MIB
        > MIB
    )


def kill_its_worker(pool: WorkerPool) -> None:
    """Kill the only worker of a pool, and wait for its end."""
    executor = pool._executor
    assert executor is not None
    (process,) = executor._processes.values()  # type: ignore[attr-defined]  # a ProcessPoolExecutor's own
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_dead_worker_is_noticed_and_replaced() -> None:
    """EX-350: its jobs end with an error that is_lost knows; after replace the next job has a fresh pool."""
    pool = WorkerPool(process_executor, 1, trace_backend)
    assert pool.ready()
    kill_its_worker(pool)
    generation, future = pool.submit(JOB)
    error = future.exception()
    if pool.restarts == 0:  # the executor took the job before it knew of the death
        assert error is not None
        assert is_lost(error)
        pool.replace(generation)
        pool.replace(generation)
    assert pool.restarts == 1
    _, future = pool.submit(JOB)
    assert len(future.result().results) == 1
    with pool.alone() as run:
        assert len(run(JOB).results) == 1
    pool.kill()
    pool.kill()


def test_idle_workers_that_died_answer_again() -> None:
    """EX-350, EX-593: who asks whether they are ready has them replaced; no job has to come first."""
    pool = WorkerPool(process_executor, 1, trace_backend)
    assert pool.ready()
    kill_its_worker(pool)
    with pytest.raises(BrokenProcessPool):
        pool.ready()
    assert pool.restarts == 1
    assert pool.ready()
    pool.close()


def test_workers_that_never_start_are_an_error() -> None:
    """EX-350: a pool that breaks again at once is not tried for ever."""

    class Broken(ThreadPoolExecutor):
        def submit(self, *_: object, **__: object):  # type: ignore[no-untyped-def]
            raise BrokenProcessPool("dead")

    def make(workers: int) -> Executor:
        return Broken(workers)

    with pytest.raises(UnavailableError, match="die as soon as they start"):
        WorkerPool(make, 1, trace_backend).submit(JOB)


def test_only_a_dead_worker_is_lost() -> None:
    """EX-350: errors of our own code are bugs and not a dead worker; Dask's are known by name."""
    assert is_lost(BrokenProcessPool("dead"))
    assert is_lost(type("KilledWorker", (Exception,), {})())
    assert not is_lost(ValueError("bug"))
