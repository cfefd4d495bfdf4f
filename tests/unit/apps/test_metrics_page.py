"""A real child process whose figures reach the supervisor's page over HTTP."""

import asyncio
import sys
import textwrap

import pytest

from veritape.apps.console.figures import figures_from_page
from veritape.apps.metrics_page import VARIABLE, metrics_page, sender_from_environment
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.telemetry import Metric, MetricType, Registry
from veritape.telemetry.adapters.listener import Address

COUNT = Metric("count_total", MetricType.COUNTER, "Counts.", "it happened")

CHILD = textwrap.dedent("""
    import os
    from veritape.apps.metrics_page import sender_from_environment
    from veritape.kernel.clock import SystemClock
    from veritape.telemetry import Metric, MetricType, Registry

    count = Metric("count_total", MetricType.COUNTER, "Counts.", "it happened")
    registry = Registry((count,))
    registry.add(count, 7)
    assert sender_from_environment(registry, os.environ, SystemClock()).send()
""")


async def run_child(descriptor: int) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        env={VARIABLE: str(descriptor), "PYTHONPATH": ":".join(sys.path)},
        pass_fds=(descriptor,),
    )
    assert await child.wait() == 0


async def test_a_child_and_its_successor_reach_the_page() -> None:
    """TL-120, TL-130 and TL-135: the restarted child inherits the same pipe and no count falls."""
    parts = {"replay": (COUNT,)}
    page = metrics_page(parts, Address("127.0.0.1", 0), SystemClock(), {}, lambda *_: None)
    async with page as (receiver, port):
        descriptor = receiver.open_pipe("replay")
        read = figures_from_page("127.0.0.1", port)
        assert (await read())["part_up"] == {"replay": False}
        for expected in (7, 14):
            await run_child(descriptor)
            document = await read()
            assert document["families"]["count_total"] == [{"labels": {}, "value": expected}]
            assert document["part_up"] == {"replay": True}
        assert document["families"]["veritape_build_info"][0]["value"] == 1
        with pytest.raises(UnavailableError, match="is in use"):
            async with metrics_page(parts, Address("127.0.0.1", port), SystemClock(), {}, lambda *_: None):
                pass


def test_a_process_alone_sends_nothing_and_a_wrong_variable_is_named() -> None:
    """TL-120: without the variable there is no sender."""
    assert sender_from_environment(Registry(()), {}, SystemClock()) is None
    with pytest.raises(MisuseError, match=f"{VARIABLE}: 'x'"):
        sender_from_environment(Registry(()), {VARIABLE: "x"}, SystemClock())
