"""The drainer's task: within a second, with its figures, and one line when the ledger goes and comes."""

import asyncio
from pathlib import Path

from tests.usage import BOOT, WALL_US, charges
from tests.waiting import until

from veritape.gateway.adapters.drainer import Drained, Drainer
from veritape.gateway.adapters.draining import PERIOD_NS, Draining
from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.outbox import Outbox
from veritape.gateway.usage_metrics import (
    LEDGER_EVENTS,
    LEDGER_LAG,
    RARE_EVENTS,
    STORAGE_ERRORS,
    USAGE_METRICS,
)
from veritape.kernel.clock import NANOSECONDS, ManualClock
from veritape.kernel.errors import UnavailableError
from veritape.telemetry import Registry


class Passes:
    """A drainer that found what it was told."""

    def __init__(self) -> None:
        self.found = Drained()

    def drain(self) -> Drained:
        return self.found


async def test_what_is_written_is_in_the_ledger_within_a_second(tmp_path: Path) -> None:
    """GW-664: a period is a quarter of a second, and a pass takes what is there."""
    ledger, clock = Ledger(tmp_path / "usage.db"), ManualClock()
    registry = Registry(USAGE_METRICS)
    draining = Draining(Drainer(tmp_path / "outbox", ledger, print), registry, clock, print)
    task = asyncio.create_task(draining.run())
    outbox = Outbox(tmp_path / "outbox", BOOT)
    outbox.write(charges(3))

    def is_drained() -> bool:
        clock.advance_ns(PERIOD_NS)
        return registry.value(LEDGER_EVENTS, result="drained") == 3

    await until(is_drained)
    assert ledger.month_sums("2026-11") == {"acme:live": 6_000}
    assert PERIOD_NS * 4 <= NANOSECONDS
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    outbox.close()
    ledger.close()


async def test_every_figure_of_a_pass() -> None:
    """TL-250: drained, duplicate, damaged files, errors, and the age of the oldest event that waits."""
    passes, registry, told = Passes(), Registry(USAGE_METRICS), list[str]()
    clock = ManualClock(wall_ns=(WALL_US + 2_500_000) * 1_000)
    draining = Draining(passes, registry, clock, told.append)  # type: ignore[arg-type]
    passes.found = Drained(3, 2, 1, WALL_US, UnavailableError("the ledger is away"))
    await draining.drain()
    await draining.drain()
    assert registry.value(LEDGER_LAG) == 2.5
    assert registry.value(LEDGER_EVENTS, result="drained") == 6
    assert registry.value(LEDGER_EVENTS, result="duplicate") == 4
    assert registry.value(RARE_EVENTS, event="outbox_bad") == 2
    assert registry.value(STORAGE_ERRORS) == 2
    passes.found = Drained()
    await draining.drain()
    assert registry.value(LEDGER_LAG) == 0
    assert told == ["the ledger is away; charges wait in the outbox", "the usage ledger is written again"]
