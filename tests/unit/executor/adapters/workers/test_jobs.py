"""Jobs in this process."""

import errno
import hashlib
import multiprocessing
import pickle
import struct
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests import rv32
from tests.compiled import READABLE, SIMULATOR
from tests.receipt_caches import ECHO, ENDLESS, TRAPPER
from tests.worker_faults import TAKE, faulty_backend

from veritape.apps.compiled_kernels import trace_backend
from veritape.executor.adapters.cache.index import Written
from veritape.executor.adapters.cache.packs import PackWriter
from veritape.executor.adapters.workers import jobs
from veritape.executor.adapters.workers.jobs import Done, Job, run_job, warm_up, with_image
from veritape.executor.backend import TraceBackend
from veritape.executor.cache.entries import from_file, unpack
from veritape.executor.receipts import parse_receipt
from veritape.executor.runtime.outcomes import Failed
from veritape.executor.vm.execution import Limits
from veritape.executor.vm.traps import TrapReason

MIB = 1 << 20


def test_an_image_travels_once() -> None:
    """EX-348: a worker that has not seen the image says so; with it the job runs, and later without."""
    job = Job(b"echo once", (b"abcd", b"efgh"), Limits(), trace_backend)
    assert run_job(job) == Done((), needs_image=True)
    done = run_job(with_image(job, ECHO))
    assert [parse_receipt(one, SIMULATOR.sponge) for one in done.results if isinstance(one, bytes)] == [
        SIMULATOR.run(ECHO, b"abcd"),
        SIMULATOR.run(ECHO, b"efgh"),
    ]
    assert run_job(job).results == done.results


def test_a_job_travels_as_a_value() -> None:
    """EX-348: pickled and back it is equal, its backend named by a function."""
    job = Job(b"id", (b"",), Limits(), trace_backend, ECHO, 1.5, stop_file=Path("stop"))
    assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301 - our own bytes


def test_a_trap_is_a_result() -> None:
    """EX-712: the worker lives on; other items of the job are not touched."""
    inputs = (b"\1\0\0\0", bytes(4), b"\2\0\0\0")
    results = run_job(Job(b"trapper", inputs, Limits(), trace_backend, TRAPPER)).results
    assert [isinstance(one, bytes) for one in results] == [True, False, True]
    assert isinstance(results[1], Failed)
    assert results[1].reason is TrapReason.BREAKPOINT


def test_threads_share_a_job_and_change_nothing() -> None:
    """EX-349: results stand in the order of the inputs, whatever the number of threads; cycles are of all of them."""
    inputs = tuple(struct.pack("<I", number) for number in range(7))
    alone = run_job(Job(b"shared", inputs, Limits(), trace_backend, TRAPPER))
    for threads in (2, 3, 7, 16):
        done = run_job(Job(b"shared", inputs, Limits(), trace_backend, threads=threads))
        assert (done.results, done.cycles) == (alone.results, alone.cycles)
    assert run_job(Job(b"shared", (), Limits(), trace_backend, threads=2)).results == ()


def test_what_stands_behind_a_stopped_item_does_not_count() -> None:
    """EX-353: with threads too, results are those of the first inputs: the endless one of the first share ends the list."""
    spins = rv32.image(
        [
            *rv32.call(1, rv32.RAM, 4), *rv32.li(6, rv32.RAM), rv32.load("lw", 7, 6, 0),
            rv32.branch("bne", 7, 0, 0), *rv32.halt(),
        ],
        b"",
        65_536,
    )  # fmt: skip
    inputs = tuple(struct.pack("<I", number) for number in (0, 1, 0, 0))
    results: tuple[jobs.Answer, ...] = ()
    for seconds in (0.3, 3.0, 30.0):  # a busy machine needs longer until the first item is done
        job = Job(b"spins", inputs, Limits(), trace_backend, spins, seconds=seconds, threads=2)
        results = run_job(job).results
        if results:
            break
    assert len(results) == 1


def test_a_stop_file_and_a_deadline_end_a_job(tmp_path: Path) -> None:
    """EX-353, EX-354: what was finished is returned; an endless guest ends at its next look, also when its caller is gone."""
    stop = tmp_path / "stop"
    stop.touch()
    assert run_job(Job(b"endless", (b"",), Limits(), trace_backend, ENDLESS, stop_file=stop)).results == ()
    assert run_job(Job(b"endless", (b"",), Limits(), trace_backend, seconds=0.05)).results == ()
    folder = tmp_path / "job"
    folder.mkdir()
    threading.Timer(0.1, folder.rmdir).start()
    assert run_job(Job(b"endless", (b"",), Limits(), trace_backend, stop_file=folder / "stop")).results == ()


def test_a_worker_makes_its_receipts_durable(tmp_path: Path) -> None:
    """EX-343: with a writer the receipts lie in one file before the job is answered; failures are not in it."""
    inputs = (b"\1\0\0\0", bytes(4), b"\2\0\0\0")
    keys = tuple(hashlib.sha256(data).digest() for data in inputs)
    writer = PackWriter(tmp_path, b"s" * 32, 1 << 20)
    done = run_job(Job(b"kept", inputs, Limits(), trace_backend, TRAPPER, keys=keys, writer=writer))
    (path,) = tmp_path.iterdir()
    assert isinstance(done.written, Written)
    assert (done.written.name, done.written.size) == (path.name, path.stat().st_size)
    entry = from_file(path.read_bytes(), b"s" * 32)
    assert unpack(entry.key, entry.body) == {keys[0]: done.results[0], keys[2]: done.results[2]}
    only_traps = Job(b"kept", (bytes(4),), Limits(), trace_backend, keys=keys[1:2], writer=writer)
    assert run_job(only_traps).written is None


def test_a_disk_that_refuses_is_an_answer(tmp_path: Path) -> None:
    """EX-721: the job ends as any other; the answer travels and names the error, and nothing is left behind."""
    (tmp_path / "file").touch()
    writer = PackWriter(tmp_path / "file", b"s" * 32, 1 << 20)
    done = run_job(Job(b"full", (b"abcd",), Limits(), trace_backend, ECHO, keys=(b"k" * 32,), writer=writer))
    again = pickle.loads(pickle.dumps(done)).written  # noqa: S301 - our own bytes
    assert isinstance(again, OSError)
    assert again.errno in {errno.ENOTDIR, errno.EEXIST}
    assert len(done.results) == 1


def test_a_worker_forgets_the_oldest_images() -> None:
    """EX-348: bounded memory of programs."""
    for number in range(jobs.IMAGES_KEPT + 1):
        run_job(Job(b"many %d" % number, (), Limits(), trace_backend, ECHO))
    assert run_job(Job(b"many 0", (), Limits(), trace_backend)).needs_image
    assert warm_up(trace_backend)


def test_the_readable_backend_gives_the_same_bytes() -> None:
    """EX-201: receipts of the two implementations are equal, byte for byte."""
    readable = list(TraceBackend(READABLE).run(ECHO, [b"abcd"], Limits()))
    assert readable == list(TraceBackend(SIMULATOR).run(ECHO, [b"abcd"], Limits()))


def test_a_peak_is_what_this_job_took() -> None:
    """EX-351: of a worker that was spawned by a large process too; what an earlier job took is not a later one's."""
    sizes = (128, 0, 192, 0)
    large = bytearray(b"\xff") * (300 * MIB)  # a process that this one starts must not count it
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as workers:
        jobs_sent = [Job(b"echo", (TAKE + b"%d" % size,), Limits(), faulty_backend, ECHO) for size in sizes]
        peaks = [workers.submit(run_job, job).result().peak_bytes for job in jobs_sent]
    del large
    differences = [peak / MIB - size for peak, size in zip(peaks, sizes, strict=True)]
    assert all(-16 < one < 64 for one in differences), (
        differences
    )  # the machine's own memory comes and goes beside it


def test_this_process_is_no_worker() -> None:
    """EX-351: where others grow the same process, nothing is said of a job's memory."""
    done = run_job(Job(b"echo", (TAKE + b"1",), Limits(), faulty_backend, ECHO))
    assert done.peak_bytes == 0
