"""What a process says of itself: heartbeat and lag of its loop, processor time, memory, descriptors (TL-200)."""

import os
import resource
import time
from pathlib import Path

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.telemetry import metrics
from veritape.telemetry.registry import Registry

TIMER_NS = 100_000_000
"""Period of the timer whose lateness is the loop's lag."""

HEARTBEAT_TURNS = 10
"""Turns of the timer between two heartbeats: one second."""

PROCESS_NS = 5 * NANOSECONDS
"""Period of the figures that need system calls: a scrape never makes one (TL-140)."""


async def watch_loop(registry: Registry, part: str, clock: Clock) -> None:
    """Measure the loop that this runs in until cancelled: heartbeat each second, lag each 100 ms."""
    observe = registry.observer(metrics.LOOP_LAG, part=part)
    turn = 0
    while True:
        if turn % HEARTBEAT_TURNS == 0:
            registry.set(metrics.HEARTBEAT, clock.wall_ns() / NANOSECONDS, part=part)
        due_ns = clock.monotonic_ns() + TIMER_NS
        await clock.sleep_until(due_ns)
        observe((clock.monotonic_ns() - due_ns) / NANOSECONDS)
        turn += 1


async def watch_process(registry: Registry, clock: Clock) -> None:
    """Refresh the ``process_`` families every 5 seconds until cancelled."""
    registry.set(metrics.START_TIME, (clock.wall_ns() - _age_ns()) / NANOSECONDS)
    index = registry.index(metrics.CPU)
    while True:
        registry.values[index] = time.process_time()
        registry.set(metrics.RESIDENT, _memory_bytes()[1])
        registry.set(metrics.VIRTUAL, _memory_bytes()[0])
        registry.set(metrics.OPEN_FILES, len(os.listdir("/proc/self/fd")) - 1)  # noqa: PTH208 - as read
        registry.set(metrics.MOST_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        await clock.sleep_until(clock.monotonic_ns() + PROCESS_NS)


async def watch_part(registry: Registry, process: str, folder: Path | None, clock: Clock) -> None:
    """Refresh what a part's process tells of itself and of its disk every 5 seconds until cancelled (TL-200).

    Args:
        registry: holds ``part_metrics`` of the process's part.
        process: its value of the label ``process``.
        folder: whose file system's room is told; None for none.
        clock: the machine's.
    """
    index = registry.index(metrics.PART_CPU, process=process)
    while True:
        registry.values[index] = time.process_time()
        registry.set(metrics.PART_RESIDENT, _memory_bytes()[1], process=process)
        if folder is not None and folder.exists():
            room = os.statvfs(folder)
            registry.set(metrics.DISK_FREE, room.f_bavail * room.f_frsize, volume="data")
            registry.set(metrics.DISK_SIZE, room.f_blocks * room.f_frsize, volume="data")
        await clock.sleep_until(clock.monotonic_ns() + PROCESS_NS)


def _memory_bytes() -> tuple[int, int]:
    """Return virtual and resident bytes of this process."""
    virtual, resident = map(int, Path("/proc/self/statm").read_text().split()[:2])
    return virtual * resource.getpagesize(), resident * resource.getpagesize()


def _age_ns() -> int:
    """Return nanoseconds since this process started, by the kernel's clock."""
    started_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    uptime_ns = int(float(Path("/proc/uptime").read_text().split()[0]) * NANOSECONDS)
    return uptime_ns - started_ticks * NANOSECONDS // os.sysconf("SC_CLK_TCK")
