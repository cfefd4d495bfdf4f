"""The executor's benchmark rows (EX-901, 902, 911, 913 to 915): measured now, on this machine, each beside its peer.

Everything here is executed, not proven; rows that need a proof come with proofs. What cannot be measured here (no qemu, no
Redis) is left out, and the text says so.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from veritape.apps.bench.executor_scaling import Measured, measured, scaling
from veritape.apps.bench.linux_program import linux_elf
from veritape.apps.bench.results import Row, Size, rate, rates, timed
from veritape.apps.compiled_kernels import compiled_simulator
from veritape.apps.executor_runtime import make_runtime, tuning_timer
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.workers.machine import cores
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.digests import Tag
from veritape.executor.runtime.outcomes import Executed
from veritape.executor.runtime.presets import Parallel
from veritape.executor.settings import CacheSettings, ExecutorSettings
from veritape.executor.vm.compiled.machine import Batch, Prepared
from veritape.executor.vm.execution import Limits
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import CheckFailedError

QEMU: Final = (
    "qemu-riscv32", "-cpu", "rv32,g=off,i=on,m=on,a=off,f=off,d=off,c=off,Zifencei=off,Zicsr=off",
)  # fmt: skip
"""The peer's machine: RV32IM and nothing else."""

SOURCE_RATE = 21_667.0
"""fib(10) executions a second that the source documents print."""

KERNEL_ITEMS, RUNTIME_ITEMS = 65_536, 10_000
"""Executions of a run of the kernel rows and of the runtime rows."""

HITS = 200
"""Look-ups of a cache row."""

MILLISECONDS = 1000.0
"""In a second."""


def fib10(count: int, first: int = 0) -> list[bytes]:
    """Return distinct inputs of fib(10): the number of the item is a start value, so that claims differ."""
    return [struct.pack("<III", 10, first + number, 1) for number in range(count)]


def executor(size: Size) -> Iterator[Row]:
    """Measure machine, runtime and cache."""
    with tempfile.TemporaryDirectory(prefix="veritape-bench-") as name:
        folder = Path(name)
        yield _machine(folder, size)
        yield from _kernel(size)
        yield from _through_runtime(folder, size)
        yield from _parallel(size)
        yield from _cache(folder, size)
        yield from _starts(folder, size)


def _repeated(size: Size, measure: Callable[[], float]) -> list[float]:
    return [measure() for _ in range(size.runs)]


def _machine(folder: Path, size: Size) -> Row:
    """EX-901: one core, a mixed guest, beside qemu with the same program."""
    image = guest_image("mixed")
    prepared = Prepared(image)
    cycles = prepared.execute(b"", Limits()).cycles
    program = folder / "mixed.elf"
    program.write_bytes(linux_elf(image))
    program.chmod(0o755)

    def ours() -> int:
        return prepared.execute(b"", Limits()).cycles

    def theirs() -> int:
        subprocess.run([*QEMU, str(program)], check=False)  # noqa: S603 - our own program
        return cycles

    there = shutil.which(QEMU[0]) is not None
    values, peers = rates(size, ours, theirs if there else None)
    peer = "qemu-riscv32, its start included" if there else "qemu-riscv32 is not installed"
    return Row("simulator_instructions", values, target=50e6, goal=200e6, peer=peer, peer_values=peers)


def _kernel(size: Size) -> Iterator[Row]:
    """EX-902: the kernel alone on all cores; with digests beside it."""
    image, simulator = guest_image("fibonacci"), compiled_simulator()
    prepared = [Prepared(image) for _ in os.sched_getaffinity(0)]
    inputs = fib10(KERNEL_ITEMS)

    def work(made: Prepared, *, digests: bool) -> None:
        batch = Batch(made, inputs, Limits())
        done = batch.run()
        if digests:
            simulator.digests(Tag.INPUT, inputs)
            simulator.digests(Tag.JOURNAL, [one.journal for one in batch.executions(done)])

    def together(*, digests: bool) -> int:
        threads = [
            threading.Thread(target=work, args=(made,), kwargs={"digests": digests}) for made in prepared
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(prepared) * KERNEL_ITEMS

    values, _ = rates(size, lambda: together(digests=False))
    source, published = "source documents", [SOURCE_RATE]
    yield Row(
        "simulator_fib10_executions",
        values,
        target=433_340.0,
        goal=2e6,
        peer=source,
        peer_values=published,
        published=True,
    )
    digested = _repeated(size, lambda: rate(lambda: together(digests=True)))
    yield Row("simulator_fib10_with_digests", digested, peer="the row above", peer_values=values)


def _through_runtime(folder: Path, size: Size) -> Iterator[Row]:
    """EX-902, EX-913: receipts through the runtime, each run over a fresh cache; one worker against two."""
    inputs = fib10(RUNTIME_ITEMS)

    def run(place: Path, workers: int) -> Measured:
        with _runtime(place, workers) as runtime:
            runtime.run_batch(guest_image("fibonacci"), fib10(workers * 32, 1 << 20))
            return measured(runtime, lambda: _executed(runtime, inputs))

    yield from scaling(folder, size, RUNTIME_ITEMS, run, fib10(KERNEL_ITEMS))


def _parallel(size: Size) -> Iterator[Row]:
    """EX-349: the batch that chooses between one worker with all threads and all workers with one thread each."""
    count, seconds = max(2, cores()), tuning_timer(SystemClock())
    threads = _repeated(size, lambda: seconds(Parallel(1, count)))
    workers = _repeated(size, lambda: seconds(Parallel(count, 1)))
    peer = "all workers, one thread each"
    yield Row("one_worker_all_threads", threads, "s", "lower", peer=peer, peer_values=workers)


def _cache(folder: Path, size: Size) -> Iterator[Row]:
    """EX-911, EX-915: a hit by layer; from disk and Redis with MAC and receipt checked."""
    image, inputs = guest_image("fibonacci"), fib10(HITS)

    def asked(runtime: L2Runtime) -> int:
        return len([runtime.run(image, data) for data in inputs])

    def hit(path: Path, *, warm: bool, url: str = "") -> float:
        with _runtime(path, 1, url) as runtime:
            if warm:
                asked(runtime)
            return MILLISECONDS * timed(lambda: asked(runtime))[1] / HITS

    hit(folder / "hits", warm=False)
    memory = _repeated(size, lambda: hit(folder / "hits", warm=True))
    yield Row("cache_hit_memory", memory, "ms", "lower", 1.0, 0.2)
    disk = _repeated(size, lambda: hit(folder / "hits", warm=False))
    yield Row("cache_hit_disk", disk, "ms", "lower", 40.0, 10.0)
    if shutil.which("redis-server") is not None:
        with _redis(folder) as url:
            hit(folder / "first", warm=False, url=url)
            places = iter(range(10_000))
            values = _repeated(size, lambda: hit(folder / f"redis{next(places)}", warm=False, url=url))
        yield Row("cache_hit_redis", values, "ms", "lower", 3.0, 1.0)


def _starts(folder: Path, size: Size) -> Iterator[Row]:
    """EX-914: from nothing to a first receipt: kernels compiled before, and kernels to compile."""

    def start(home: Path) -> float:
        command = (sys.executable, "-m", "veritape", "run", "fibonacci", "--input-u32", "10,0,1")
        environment = {"PATH": os.defpath, "HOME": str(home)}

        def begin() -> int:
            return subprocess.run(command, env=environment, check=True, capture_output=True).returncode  # noqa: S603 - our own command

        return timed(begin)[1]

    start(Path.home())
    yield Row("service_start_warm", _repeated(size, lambda: start(Path.home())), "s", "lower", 1.5, 0.8)
    if not size.quick:
        (folder / "home").mkdir()
        yield Row("service_start_cold", [start(folder / "home")], "s", "lower", 60.0, 20.0)


@contextmanager
def _runtime(folder: Path, workers: int, url: str = "") -> Iterator[L2Runtime]:
    """Give a runtime over a folder of its own, its workers ready."""
    secret = folder / "shared-secret"
    if url:
        folder.mkdir(parents=True, exist_ok=True)
        secret.write_bytes(b"benchmark".ljust(32, b"."))
    cache = CacheSettings(disk_path=str(folder), redis_url=url, secret_file=str(secret) if url else "")
    settings = ExecutorSettings(workers=workers, threads_per_worker=1, cache=cache)
    with make_runtime(settings) as runtime:
        yield runtime


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """Run a Redis of our own on a socket in the folder."""
    socket = folder / "redis.sock"
    command = ("redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - the tests' own server
    waiting = threading.Event()
    try:
        while not socket.exists():
            waiting.wait(0.02)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait()


def _executed(runtime: L2Runtime, inputs: Sequence[bytes]) -> int:
    outcomes = runtime.run_batch(guest_image("fibonacci"), inputs)
    if not all(isinstance(one, Executed) and not one.cached for one in outcomes):
        raise CheckFailedError("a benchmark's batch did not run as a whole")
    return len(outcomes)
