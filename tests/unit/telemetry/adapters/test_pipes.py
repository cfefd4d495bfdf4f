"""Vectors through real pipes."""

import asyncio
import contextlib
import os
import sys
import textwrap

import pytest

from veritape.kernel.clock import NANOSECONDS, ManualClock, SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.telemetry import Metric, MetricType, Registry
from veritape.telemetry.adapters.pipes import VectorReceiver, VectorSender
from veritape.telemetry.metrics import page_metrics
from veritape.telemetry.page import Page
from veritape.telemetry.vectors import Refusal, Vector, VectorDecoder

COUNT = Metric("count_total", MetricType.COUNTER, "Counts.", "it happened")
WIDE = Metric(
    "wide_total", MetricType.COUNTER, "Counts.", "it happened", labels=(("n", tuple(map(str, range(3000)))),)
)


def page() -> Page:
    own = Registry(page_metrics(("observer",), version="1", commit="c", python="3"))
    return Page(own, {"observer": Registry((COUNT,))})


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_page_follows_its_child_each_second_and_at_its_end() -> None:
    """TL-120: a vector each second, and one on an orderly end."""
    merged, clock = page(), ManualClock()
    receiver = VectorReceiver(merged, clock, lambda *_: None)
    child = Registry((COUNT,))
    sender = asyncio.create_task(VectorSender(receiver.open_pipe("observer"), child, clock).run())
    await turns()
    child.add(COUNT, 4)
    assert b"count_total 0.0" in merged.text(clock.monotonic_ns())
    clock.advance_ns(NANOSECONDS)
    await turns()
    assert b"count_total 4.0" in merged.text(clock.monotonic_ns())
    child.add(COUNT)
    sender.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sender
    await turns()
    assert b"count_total 5.0" in merged.text(clock.monotonic_ns())
    receiver.close()


async def test_a_refusal_is_warned_of_once() -> None:
    """TL-920: a worker's vector with a wrong digest is refused, warning once, and the part stays down."""
    merged, warnings = page(), list[tuple[str, Refusal]]()
    receiver = VectorReceiver(merged, ManualClock(), lambda part, reason: warnings.append((part, reason)))
    sender = VectorSender(receiver.open_pipe("observer"), Registry(()), ManualClock())
    sender.send()
    sender.send()
    await turns()
    assert warnings == [("observer", Refusal.DIGEST)]
    assert merged.part_up(0) == {"observer": False}
    receiver.close()


def test_a_full_pipe_never_blocks_and_no_frame_is_torn() -> None:
    """TL-120: what did not fit is finished first; then a newer state follows."""
    reading, writing = os.pipe()
    registry = Registry((WIDE,))
    sender = VectorSender(writing, registry, SystemClock())
    assert [sender.send() for _ in range(4)] == [True, True, False, False]
    os.set_blocking(reading, False)
    decoder, found = VectorDecoder(registry), list[Vector]()
    with contextlib.suppress(BlockingIOError):
        while data := os.read(reading, 65_536):
            found += decoder.feed(data)
    assert sender.send()
    found += decoder.feed(os.read(reading, 65_536))
    assert [vector.sequence for vector in found] == [0, 1, 2]
    os.close(reading)
    assert not sender.send()
    os.close(writing)


def test_a_descriptor_that_is_not_open_is_named() -> None:
    """TL-120: one line for a wrong descriptor."""
    with pytest.raises(UnavailableError, match="metrics pipe 9999 is not open"):
        VectorSender(9999, Registry(()), SystemClock())


CHILD = textwrap.dedent("""
    import sys
    from veritape.kernel.clock import SystemClock
    from veritape.telemetry import Metric, MetricType, Registry
    from veritape.telemetry.adapters.pipes import VectorSender

    count = Metric("count_total", MetricType.COUNTER, "Counts.", "it happened")
    registry = Registry((count,))
    registry.add(count, 7)
    assert VectorSender(int(sys.argv[1]), registry, SystemClock()).send()
""")


async def test_a_process_and_its_successor_reach_the_page() -> None:
    """TL-120, TL-130 and TL-135: the restarted process inherits the same pipe and no count falls."""
    merged = page()
    receiver = VectorReceiver(merged, SystemClock(), lambda *_: None)
    descriptor = receiver.open_pipe("observer")
    for expected in (b"count_total 7.0\n", b"count_total 14.0\n"):
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            CHILD,
            str(descriptor),
            env={"PYTHONPATH": ":".join(sys.path)},
            pass_fds=(descriptor,),
        )
        assert await child.wait() == 0
        await turns()
        assert expected in merged.text(SystemClock().monotonic_ns())
    assert merged.part_up(SystemClock().monotonic_ns()) == {"observer": True}
    receiver.close()
