"""The runtime on threads: outcomes, cache, queue, limits."""

import errno
import struct
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO, ENDLESS, TRAPPER, disk_cache, runtime
from tests.waiting import PATIENCE_S

from veritape.executor.adapters.cache.index import Written
from veritape.executor.adapters.cache.packs import PackWriter
from veritape.executor.image import Image
from veritape.executor.metrics import ERRORS, METRICS, QUEUE_LENGTH, RECEIPTS, WORKERS_ACTIVE
from veritape.executor.receipts import SimulatedReceipt
from veritape.executor.runtime.outcomes import (
    Cancelled,
    DeadlineExceeded,
    Executed,
    Failed,
    Outcome,
    RuntimeReason,
)
from veritape.executor.runtime.progress import Phase, Progress
from veritape.executor.vm.execution import Limits, Stop
from veritape.executor.vm.traps import TrapReason
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.telemetry.registry import Registry


def words(*numbers: int) -> list[bytes]:
    return [struct.pack("<I", number) for number in numbers]


def receipt(outcome: Outcome) -> SimulatedReceipt:
    assert isinstance(outcome, Executed)
    return outcome.receipt


def test_a_batch_gives_one_outcome_an_input_in_order(tmp_path: Path) -> None:
    """EX-343, EX-717, EX-812: a trap and an input over the limit cost no other; a duplicate points to its twin's claim."""
    registry = Registry(METRICS, strict=True)
    with runtime(disk_cache(tmp_path), registry=registry) as made:
        inputs = [*words(5, 0, 7, 5), b"x" * 100, *words(9)]
        outcomes = made.run_batch(TRAPPER, inputs, Limits(input_bytes=50))
    assert [type(one) for one in outcomes] == [Executed, Failed, Executed, Executed, Failed, Executed]
    assert receipt(outcomes[2]) == SIMULATOR.run(TRAPPER, words(7)[0])
    assert outcomes[3] == outcomes[0]
    assert [one.index for one in outcomes if isinstance(one, Executed)] == [0, 1, 0, 2]
    reasons = [one.reason for one in outcomes if isinstance(one, Failed)]
    assert reasons == [TrapReason.BREAKPOINT, RuntimeReason.INPUT_TOO_LARGE]
    assert registry.value(RECEIPTS, kind="simulated") == 3
    assert registry.value(ERRORS) == 2
    assert registry.value(WORKERS_ACTIVE) == 0


def test_an_empty_batch_is_an_empty_list(tmp_path: Path) -> None:
    """EX-345: nothing runs; 65,537 items are refused."""
    with runtime(disk_cache(tmp_path)) as made:
        assert made.run_batch(ECHO, []) == []
        with pytest.raises(MisuseError, match="too_many_items"):
            made.run_batch(ECHO, [b""] * 65_537)


def test_what_was_finished_is_not_executed_again(tmp_path: Path) -> None:
    """EX-343: a batch started again over the same cache executes only what is missing."""
    registry = Registry(METRICS, strict=True)
    with runtime(disk_cache(tmp_path)) as made:
        first = made.run_batch(ECHO, words(*range(50)))
    with runtime(disk_cache(tmp_path), registry=registry) as made:
        second = made.run_batch(ECHO, words(*range(60)))
    assert [receipt(one) for one in second[:50]] == [receipt(one) for one in first]
    assert all(isinstance(one, Executed) and one.cached for one in second[:50])
    assert registry.value(RECEIPTS, kind="simulated") == 10


def test_misses_run_while_the_rest_is_looked_up(tmp_path: Path) -> None:
    """EX-343, EX-913: of a batch that is looked up in several steps each input has its own outcome, cached or not."""
    inputs = words(*range(2500))
    with runtime(disk_cache(tmp_path)) as made:
        made.run_batch(ECHO, inputs[1000:1100] + inputs[2400:])
        outcomes = made.run_batch(ECHO, inputs)
    assert [receipt(one).journal for one in outcomes] == inputs
    cached = [place for place, one in enumerate(outcomes) if isinstance(one, Executed) and one.cached]
    assert cached == [*range(1000, 1100), *range(2400, 2500)]
    assert [one.index for one in outcomes if isinstance(one, Executed)] == list(range(2500))


def test_a_batch_without_time_still_answers_what_is_cached(tmp_path: Path) -> None:
    """EX-353: a look-up is no work: what the cache has is returned, also from the end of a long batch."""
    inputs = words(*range(2500))
    with runtime(disk_cache(tmp_path)) as made:
        made.run_batch(ECHO, inputs[2400:])
        outcomes = made.run_batch(ECHO, inputs, seconds=0.0)
    assert outcomes[:2400] == [DeadlineExceeded()] * 2400
    assert all(isinstance(one, Executed) and one.cached for one in outcomes[2400:])


def test_one_item_goes_through_the_cache(tmp_path: Path) -> None:
    """EX-401: the second request runs nothing; a cached claim over the caller's limits answers the limit's reason."""
    registry = Registry(METRICS, strict=True)
    with runtime(disk_cache(tmp_path), registry=registry) as made:
        (data,) = words(4)
        first, second = made.run(ECHO, data), made.run(ECHO, data)
        assert receipt(first) == receipt(second)
        assert (
            isinstance(first, Executed) and first.cached,
            isinstance(second, Executed) and second.cached,
        ) == (False, True)
        assert registry.value(RECEIPTS, kind="simulated") == 1
        slow, long = made.run(ECHO, data, Limits(cycles=5)), made.run(ECHO, data, Limits(journal_bytes=0))
        assert isinstance(slow, Failed)
        assert slow.reason is TrapReason.CYCLE_LIMIT
        assert isinstance(long, Failed)
        assert long.reason is TrapReason.JOURNAL_LIMIT
        trapped = made.run(TRAPPER, bytes(4))
        assert isinstance(trapped, Failed)
        assert trapped.reason is TrapReason.BREAKPOINT


def test_a_deadline_names_what_is_not_finished(tmp_path: Path) -> None:
    """EX-353: nothing starts without time; running work stops at its next look; what was finished stays."""
    with runtime(disk_cache(tmp_path)) as made:
        assert made.run_batch(ECHO, words(1, 2), seconds=0.0) == [DeadlineExceeded(), DeadlineExceeded()]
        assert made.run(ENDLESS, b"", seconds=0.1) == DeadlineExceeded()
        assert isinstance(made.run_batch(ECHO, words(1), seconds=60.0)[0], Executed)


def test_a_caller_can_stop_a_batch(tmp_path: Path) -> None:
    """EX-354: the stop token is looked at while workers are busy, and ends them."""
    go = threading.Event()
    threading.Timer(0.2, go.set).start()
    with runtime(disk_cache(tmp_path)) as made:
        assert made.run_batch(ENDLESS, words(1, 2, 3), stop=go.is_set) == [Cancelled()] * 3


def third_look() -> Stop:
    """Return a stop token that says so at its third look."""
    looks = iter([False, False])
    return lambda: next(looks, True)


def test_a_hundred_cancels_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-354, EX-812: memory returns to within 10 % after 100 cancelled jobs, and no temporary folder is left."""
    temporary = tmp_path / "t"  # not the machine's, where others that run now have theirs
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with runtime(disk_cache(tmp_path)) as made:
        sizes = []
        for _ in range(100):
            assert made.run_batch(ENDLESS, words(1), stop=third_look()) == [Cancelled()]
            sizes.append(int(Path("/proc/self/statm").read_text().split()[1]))
    assert sizes[-1] <= sizes[9] * 1.1
    assert list(temporary.iterdir()) == []


def test_a_runtime_that_is_closed_cancels_what_waits(tmp_path: Path) -> None:
    """EX-342: close cancels by argument; afterwards nothing is taken."""
    made = runtime(disk_cache(tmp_path), workers=1)
    running = made.submit(ENDLESS, b"")
    waiting = made.submit(ENDLESS, b"1234")
    made.close(cancel=True)
    assert [running.result(), waiting.result()] == [Cancelled(), Cancelled()]
    with pytest.raises(UnavailableError, match="closed"):
        made.submit(ECHO, b"")


def test_a_runtime_can_finish_before_it_closes(tmp_path: Path) -> None:
    """EX-342: without cancelling, what waits is finished first."""
    made = runtime(disk_cache(tmp_path), workers=1)
    futures = [made.submit(ECHO, data) for data in words(*range(5))]
    made.close()
    assert [receipt(future.result()) for future in futures] == [
        SIMULATOR.run(ECHO, data) for data in words(*range(5))
    ]


def test_the_queue_is_bounded(tmp_path: Path) -> None:
    """EX-352: submit waits while it is full, or answers queue_full; its length is shown."""
    registry = Registry(METRICS, strict=True)
    with runtime(disk_cache(tmp_path), workers=1, queue_limit=2, registry=registry) as made:
        first = made.submit(ENDLESS, b"")
        while registry.value(QUEUE_LENGTH):
            threading.Event().wait(0.001)
        futures = [made.submit(ECHO, data) for data in words(1, 2)]
        with pytest.raises(UnavailableError) as caught:
            made.submit(ECHO, b"", block=False)
        assert caught.value.reason is RuntimeReason.QUEUE_FULL
        assert (made.longest_queue, registry.value(QUEUE_LENGTH)) == (2, 2)
        done = threading.Event()

        def wait_for_room() -> None:
            futures.append(made.submit(ECHO, b"", stop=lambda: False))
            done.set()

        waiter = threading.Thread(target=wait_for_room)
        waiter.start()
        assert not done.wait(0.2)
        made._cancelled.set()
        assert done.wait(PATIENCE_S)
        assert first.result() == Cancelled()
        waiter.join()


def test_a_job_over_the_memory_budget_never_starts(tmp_path: Path) -> None:
    """EX-351: needs_memory with the figure, before anything runs."""
    with runtime(disk_cache(tmp_path), budget_bytes=1 << 20) as made:
        with pytest.raises(UnavailableError) as caught:
            made.run_batch(ECHO, words(1))
        assert caught.value.reason is RuntimeReason.NEEDS_MEMORY


class FullDisk(PackWriter):
    """A disk without space, in a worker and here."""

    def write(self, receipts: Mapping[bytes, bytes], now_ns: int) -> Written | None:
        del receipts, now_ns
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_costs_the_item_and_says_so(tmp_path: Path) -> None:
    """EX-721: no space: one line, nothing under a final name, the next batch goes on."""
    cache = disk_cache(tmp_path)
    assert cache.disk is not None

    working = cache.disk.writer
    with runtime(cache) as made:
        cache.disk.writer = FullDisk(working.folder, working.secret, working.max_bytes)
        (batch,) = made.run_batch(ECHO, words(1))
        one = made.run(ECHO, words(2)[0])
        for outcome in (batch, one):
            assert outcome == Failed(
                RuntimeReason.CACHE_WRITE_FAILED, "the cache cannot be written: No space left on device"
            )
        assert cache.disk_refused
        cache.disk.writer = working
        assert isinstance(made.run_batch(ECHO, words(1))[0], Executed)


def test_progress_is_told(tmp_path: Path) -> None:
    """EX-346: phases in order, the last value says that all is done."""
    seen: list[Progress] = []
    with runtime(disk_cache(tmp_path)) as made:
        made.run_batch(ECHO, words(*range(20)), show=seen.append)
    assert seen[0].phase is Phase.LOAD
    assert (seen[-1].phase, seen[-1].done, seen[-1].total) == (Phase.WRITE, 20, 20)


def test_a_backend_that_only_executes_refuses_to_prove(tmp_path: Path) -> None:
    """EX-343: backend_cannot_prove."""
    with runtime(disk_cache(tmp_path)) as made, pytest.raises(MisuseError) as caught:
        made.prove_batch(ECHO, words(1))
    assert caught.value.reason is RuntimeReason.BACKEND_CANNOT_PROVE


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_do_not_depend_on_the_workers(tmp_path: Path, workers: int) -> None:
    """EX-811: receipts equal byte for byte for 1, 2 and 4 workers."""
    image: Image = ECHO
    with runtime(disk_cache(tmp_path), workers=workers) as made:
        outcomes = made.run_batch(image, words(*range(100)))
    expected = [SIMULATOR.run(image, data).to_bytes() for data in words(*range(100))]
    assert [receipt(one).to_bytes() for one in outcomes] == expected
