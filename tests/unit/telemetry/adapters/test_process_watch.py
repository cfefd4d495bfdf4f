"""The process's own figures."""

import asyncio
import math
from pathlib import Path

from veritape.kernel.clock import NANOSECONDS, ManualClock, SystemClock
from veritape.telemetry import B1, Registry, metrics
from veritape.telemetry.adapters.process_watch import TIMER_NS, watch_loop, watch_part, watch_process


async def test_the_loop_is_watched() -> None:
    """TL-200: a heartbeat each second, the timer's lateness each 100 ms."""
    registry, clock = Registry(metrics.part_metrics("replay")), ManualClock(wall_ns=50 * NANOSECONDS)
    heartbeat, lag = metrics.part_metrics("replay")[:2]
    task = asyncio.create_task(watch_loop(registry, "replay", clock))
    await asyncio.sleep(0)
    assert registry.value(heartbeat, part="replay") == 50
    for _ in range(10):
        clock.advance_ns(TIMER_NS + 30_000_000)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert registry.value(heartbeat, part="replay") == 51.3
    slot = registry.index(lag, part="replay")
    assert registry.values[slot + B1.index(0.05)] == 10
    task.cancel()


async def test_the_process_is_watched() -> None:
    """TL-140 and TL-200: processor time, memory, descriptors and start are real."""
    registry = Registry(metrics.PROCESS)
    task = asyncio.create_task(watch_process(registry, SystemClock()))
    await asyncio.sleep(0)
    assert registry.value(metrics.CPU) > 0
    assert registry.value(metrics.RESIDENT) > 1e6
    assert registry.value(metrics.OPEN_FILES) >= 3
    age = SystemClock().wall_ns() / NANOSECONDS - registry.value(metrics.START_TIME)
    assert math.isfinite(age)
    assert 0 <= age < 24 * 3600
    task.cancel()


async def test_a_stepped_wall_clock_changes_no_duration() -> None:
    """TL-070: the lag stays what the monotonic clock says, one hour back or forward; the heartbeat follows the wall."""
    registry, clock = Registry(metrics.part_metrics("replay")), ManualClock(wall_ns=7200 * NANOSECONDS)
    heartbeat, lag = metrics.part_metrics("replay")[:2]
    task = asyncio.create_task(watch_loop(registry, "replay", clock))
    await asyncio.sleep(0)
    for step_s in (-3600, 7200):
        clock.step_wall_ns(step_s * NANOSECONDS)
        clock.advance_ns(TIMER_NS)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    slot = registry.index(lag, part="replay")
    assert registry.values[slot : slot + lag.width] == [2.0, *[0.0] * (lag.width - 1)]
    assert registry.value(heartbeat, part="replay") == 7200
    task.cancel()


async def test_a_parts_process_and_its_disk_are_watched(tmp_path: Path) -> None:
    """TL-200: processor time and memory by process, room of the data's file system; a folder that is not there tells nothing."""
    registry = Registry(metrics.part_metrics("observer"))
    cpu, resident = (
        one for one in metrics.part_metrics("observer") if one.name.startswith("veritape_process")
    )
    task = asyncio.create_task(watch_part(registry, "observer", tmp_path, SystemClock()))
    await asyncio.sleep(0)
    assert registry.value(cpu, process="observer") > 0
    assert registry.value(resident, process="observer") > 1e6
    free, size = (
        registry.value(metrics.DISK_FREE, volume="data"),
        registry.value(metrics.DISK_SIZE, volume="data"),
    )
    assert 0 < free <= size
    task.cancel()
    other = Registry(metrics.part_metrics("observer"))
    task = asyncio.create_task(watch_part(other, "observer", tmp_path / "none", SystemClock()))
    await asyncio.sleep(0)
    assert math.isnan(other.value(metrics.DISK_FREE, volume="data"))
    task.cancel()


async def test_the_listeners_process_tells_its_limits() -> None:
    """TL-200: virtual memory and the most descriptors."""
    registry = Registry(metrics.PROCESS)
    task = asyncio.create_task(watch_process(registry, SystemClock()))
    await asyncio.sleep(0)
    assert registry.value(metrics.VIRTUAL) >= registry.value(metrics.RESIDENT)
    assert registry.value(metrics.MOST_FILES) >= registry.value(metrics.OPEN_FILES)
    task.cancel()
