"""What this machine gives: cores and memory, as affinity and cgroup allow (EX-349, 351)."""

import contextlib
import os
import platform
from pathlib import Path
from typing import NamedTuple

from veritape.executor.runtime.presets import cores_available

CGROUP = Path("/sys/fs/cgroup")
"""Where the kernel shows the limits of this process's group."""

MACHINE_ID = Path("/etc/machine-id")
"""Where the system keeps its id."""

MEMINFO = Path("/proc/meminfo")
"""Where the kernel shows the memory of the machine."""

PROCESSES = Path("/proc")
"""Where the kernel shows processes."""

KIB = 1024
"""Unit of ``/proc``."""


def cores(cgroup: Path = CGROUP) -> int:
    """Return the cores that this process may use."""
    affinity = len(os.sched_getaffinity(0))
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return affinity
    return cores_available(affinity, None if quota == "max" else int(quota), int(period))


def machine_id(file: Path = MACHINE_ID) -> str:
    """Return what tells this machine from others: its id, or its name where it has none."""
    try:
        return file.read_text().strip() or platform.node()
    except OSError:
        return platform.node()


def memory_bytes(cgroup: Path = CGROUP, meminfo: Path = MEMINFO) -> int:
    """Return the smaller of the cgroup's limit and the memory that is available."""
    available = next(
        int(line.split()[1]) * KIB
        for line in meminfo.read_text().splitlines()
        if line.startswith("MemAvailable:")
    )
    try:
        return min(available, int((cgroup / "memory.max").read_text()))
    except (OSError, ValueError):
        return available


class Memory(NamedTuple):
    """What a process has of the machine's memory."""

    now_bytes: int
    """Now."""
    peak_bytes: int
    """At most, since its program began: what the process had that started it is not in it, as it is in ``ru_maxrss``."""


def process_memory(pid: int, processes: Path = PROCESSES) -> Memory:
    """Return what a process has; nothing for one that is gone."""
    try:
        status = (processes / str(pid) / "status").read_text()
    except OSError:
        return Memory(0, 0)
    lines = [line.split() for line in status.splitlines() if line.startswith("Vm")]
    sizes = {name: int(size) * KIB for name, size, _ in lines}
    return Memory(sizes.get("VmRSS:", 0), sizes.get("VmHWM:", 0))


def process_peak_bytes(pid: int, processes: Path = PROCESSES) -> int:
    """Return the most memory that a process has taken since its start; 0 for one that is gone."""
    return process_memory(pid, processes).peak_bytes


def processor_ns(pid: int, processes: Path = PROCESSES) -> int:
    """Return the processor time that a process's threads have taken; 0 for one that is gone."""
    total = 0
    for file in (processes / str(pid) / "task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(file.read_text().split()[0])
    return total
