"""Cores and memory of this machine."""

import os
import platform
from pathlib import Path

from veritape.executor.adapters.workers.machine import (
    cores,
    machine_id,
    memory_bytes,
    process_memory,
    process_peak_bytes,
    processor_ns,
)


def test_affinity_and_quota_bound_the_cores(tmp_path: Path) -> None:
    """EX-349: the cgroup's quota counts; without one the affinity alone."""
    affinity = len(os.sched_getaffinity(0))
    assert cores(tmp_path) == affinity
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert cores(tmp_path) == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert cores(tmp_path) == affinity
    assert 1 <= cores() <= affinity


def test_the_smaller_of_limit_and_available_memory_counts(tmp_path: Path) -> None:
    """EX-351: the cgroup's limit, or what the machine has available."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable: 1000 kB\n")
    assert memory_bytes(tmp_path, meminfo) == 1_024_000
    (tmp_path / "memory.max").write_text("5000\n")
    assert memory_bytes(tmp_path, meminfo) == 5000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_bytes(tmp_path, meminfo) == 1_024_000
    assert memory_bytes() > 0


def test_a_machine_has_a_name(tmp_path: Path) -> None:
    """EX-349: its id, or the name of its system where it has none."""
    (tmp_path / "id").write_text("0123abcd\n")
    assert machine_id(tmp_path / "id") == "0123abcd"
    assert machine_id(tmp_path / "none") == platform.node()


def test_the_peak_of_a_process_is_read(tmp_path: Path) -> None:
    """EX-682: in bytes; a process that is gone, or shows none, has none."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n")
    (tmp_path / "8").mkdir()
    (tmp_path / "8" / "status").write_text("Name:\tzombie\n")
    assert [process_peak_bytes(pid, tmp_path) for pid in (7, 8, 9)] == [2048 * 1024, 0, 0]
    (tmp_path / "7" / "status").write_text(
        "Name:\tVm VmHWM\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t3\n"
    )
    assert process_memory(7, tmp_path) == (1024 * 1024, 2048 * 1024)


def test_processor_time_is_that_of_all_threads(tmp_path: Path) -> None:
    """EX-913: added over a process's threads; a process that is gone has none."""
    for thread, line in ((7, "1000 5 3"), (8, "200 1 1")):
        folder = tmp_path / "7" / "task" / str(thread)
        folder.mkdir(parents=True)
        (folder / "schedstat").write_text(line)
    assert processor_ns(7, tmp_path) == 1200
    assert processor_ns(9, tmp_path) == 0
    assert processor_ns(os.getpid()) > 0
