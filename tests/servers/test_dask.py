"""The runtime on Dask: three local workers, one of them killed in the middle."""

import os
import signal
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.compiled import SIMULATOR
from tests.receipt_caches import disk_cache, runtime

from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.workers.pool import make_executor
from veritape.executor.runtime.outcomes import Executed
from veritape.executor.runtime.progress import Progress

ITEMS = 400


@pytest.fixture
def cluster() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from distributed import LocalCluster  # noqa: PLC0415 - its import warns

        made: Any = LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None, silence_logs=50)  # type: ignore[no-untyped-call]
        try:
            yield made
        finally:
            made.close()


@pytest.mark.filterwarnings("ignore")
def test_a_killed_dask_worker_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    """EX-350, EX-811: one of three local workers killed mid-job: all items complete, none twice, byte for byte as without."""
    image = guest_image("fibonacci")
    inputs = [struct.pack("<III", 50_000 + number, 0, 1) for number in range(ITEMS)]
    victims = [worker.process.pid for worker in cluster.workers.values()]
    killed: list[int] = []

    def kill_one(progress: Progress) -> None:
        if not killed and 0 < progress.done < ITEMS:
            killed.append(victims[0])
            os.kill(victims[0], signal.SIGKILL)

    with runtime(disk_cache(tmp_path), make_executor(f"dask:{cluster.scheduler_address}"), workers=3) as made:
        outcomes = made.run_batch(image, inputs, show=kill_one)
    assert killed
    assert [type(one) for one in outcomes] == [Executed] * ITEMS
    assert [one.index for one in outcomes if isinstance(one, Executed)] == list(range(ITEMS))
    for place in range(0, ITEMS, 40):
        outcome = outcomes[place]
        assert isinstance(outcome, Executed)
        assert outcome.receipt.to_bytes() == SIMULATOR.run(image, inputs[place]).to_bytes()
