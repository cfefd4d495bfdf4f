"""The whole runtime is killed in the middle of a batch."""

import os
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.compiled import SIMULATOR

from veritape.apps.executor_runtime import make_runtime
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.metrics import METRICS, RECEIPTS
from veritape.executor.runtime.outcomes import Executed
from veritape.executor.settings import CacheSettings, ExecutorSettings
from veritape.telemetry.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10 if os.environ.get("VERITAPE_SOAK") == "1" else 1  # noqa: TID251 - chooses the size of this test
ITEMS = 60


def inputs() -> list[bytes]:
    return [struct.pack("<III", 1_500_000 + number, 0, 1) for number in range(ITEMS)]


def killed_after(folder: Path, finished: int, temporary: str) -> int:
    """Start a batch, kill its process with SIGKILL once so many items are finished; return how many it told of."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.scenario.killed_batch", str(folder), str(ITEMS)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "src:.", "TMPDIR": temporary},  # noqa: TID251 - another process
    )
    assert process.stdout is not None
    told = 0
    for line in process.stdout:
        told = int(line)
        if told >= finished:
            break
    process.kill()
    process.communicate()
    return told


def test_a_killed_batch_goes_on_where_it_was(tmp_path: Path) -> None:
    """EX-343: kill -9 of the whole runtime loses no finished item and doubles none; what is missing alone is executed."""
    rng = random.Random(1)
    for turn in range(KILLS):
        folder, registry = tmp_path / str(turn), Registry(METRICS)
        with tempfile.TemporaryDirectory(prefix="veritape-") as temporary:  # what is killed removes nothing
            told = killed_after(folder, rng.randrange(16, 40), temporary)
        settings = ExecutorSettings(pool="thread", cache=CacheSettings(disk_path=str(folder)))
        with make_runtime(settings, registry) as runtime:
            outcomes = runtime.run_batch(guest_image("fibonacci"), inputs())
        cached = sum(isinstance(one, Executed) and one.cached for one in outcomes)
        assert cached >= told > 0
        assert registry.value(RECEIPTS, kind="simulated") == ITEMS - cached
        assert [one.index for one in outcomes if isinstance(one, Executed)] == list(range(ITEMS))
        first = outcomes[0]
        assert isinstance(first, Executed)
        assert first.receipt == SIMULATOR.run(guest_image("fibonacci"), inputs()[0])
