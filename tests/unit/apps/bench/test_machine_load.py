"""How busy the machine is with other work."""

import os
from pathlib import Path

import pytest

from veritape.apps.bench.machine_load import MachineLoad, Worked, processor_seconds, started_by, worked_by


def told(folder: Path, times: str, ticks: dict[tuple[int, int], int]) -> None:
    """Write what the kernel tells: processors' ticks, and (process, parent) -> its ticks."""
    (folder / "stat").write_text(f"cpu  {times} 0 0\ncpu0 1 2 3\n")
    for (pid, parent), used in ticks.items():
        (folder / str(pid)).mkdir(exist_ok=True)
        words = ["S", str(parent), *["0"] * 9, str(used), "0", "0", "0", "20"]
        (folder / str(pid) / "stat").write_text(f"{pid} (a (b) c) {' '.join(words)}\n")


def test_what_others_did_is_all_work_less_ours(tmp_path: Path) -> None:
    """GW-851: of 200 ticks 140 were busy, 60 of them this process' and its child's; a stranger's count as foreign."""
    told(tmp_path, "100 0 50 800 50 0 0 0", {(7, 1): 10, (8, 7): 20, (9, 1): 500})
    load = MachineLoad(tmp_path, 7)
    told(tmp_path, "200 10 70 850 60 5 5 0", {(7, 1): 30, (8, 7): 50, (9, 1): 580, (10, 8): 10})
    assert load.foreign_share() == pytest.approx((140 - 60) / 200)


def test_a_process_is_told_apart_from_what_it_started(tmp_path: Path) -> None:
    """GW-851: user and kernel, of the named processes only; one that is gone worked nothing."""
    told(tmp_path, "0", {(7, 1): 10, (8, 7): 20, (9, 8): 30, (10, 1): 40})
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    worked = worked_by([7, 8, 99], tmp_path)
    assert worked.user_s == pytest.approx(30 * tick_s)
    assert worked.system_s == 0.0
    assert started_by(7, tmp_path) == {8, 9}
    assert Worked(3.0, 2.0) - Worked(1.0, 0.5) == Worked(2.0, 1.5)
    assert Worked(2.0, 1.5).seconds == 3.5


def test_no_time_is_no_load(tmp_path: Path) -> None:
    told(tmp_path, "100 0 50 800 50 0 0 0", {(7, 1): 10})
    assert MachineLoad(tmp_path, 7).foreign_share() == 0.0


def test_this_machine_tells() -> None:
    """GW-851: the figures are there on Linux, and our own work is not foreign."""
    load, before = MachineLoad(), processor_seconds(os.getpid())
    while processor_seconds(os.getpid()) < before + 0.1:
        sum(range(10_000))
    assert 0.0 <= load.foreign_share() <= 1.0
