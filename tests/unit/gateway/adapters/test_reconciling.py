"""The drainer's reconciliation: at once when a boot is closed, every five minutes anyway; figures, events, failures."""

import asyncio
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.usage import BOOT, WALL_US, charges
from tests.waiting import until

from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.reconciling import LOOK_NS, PERIOD_NS, Reconciling
from veritape.gateway.reconciliation import Difference, Repair
from veritape.gateway.usage_metrics import LEDGER_DIFFERENCE, USAGE_METRICS
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import UnavailableError
from veritape.telemetry import Registry

DECEMBER_NS, DAY_NS = 1_796_083_200 * 10**9 + 3_600 * 10**9, 86_400 * 10**9
"""2026-12-01T01:00:00Z."""


class Sides:
    """A reconciler that finds what it is told, and a drainer that closed what it is told."""

    def __init__(self) -> None:
        self.closed, self.away = 0, False
        self.found: list[Difference] = []
        self.repairs: list[Repair] = []
        self.compared: list[str] = []
        self.folded: list[str] = []

    def differences(self, period: str) -> list[Difference]:
        if self.away:
            raise UnavailableError("the quota store does not answer")
        self.compared.append(period)
        return self.found

    def fold(self, period: str) -> list[Repair]:
        self.folded.append(period)
        repairs, self.repairs = self.repairs, []
        return repairs


class OfNovember(Sides):
    """The same, of which only November differs."""

    def differences(self, period: str) -> list[Difference]:
        return [one for one in super().differences(period) if period == "2026-11"]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "usage.db")
    yield made
    made.close()


def reconciling(
    sides: Sides, ledger: Ledger, registry: Registry, clock: ManualClock, told: list[str]
) -> Reconciling:
    return Reconciling(sides, ledger, sides, BOOT, registry, clock, told.append)  # type: ignore[arg-type]


async def test_the_new_month_does_not_hide_what_differs_in_the_old_one(ledger: Ledger) -> None:
    """GW-673: the figure is of both months as long as both are compared."""
    sides, registry, told = OfNovember(), Registry(USAGE_METRICS), list[str]()
    sides.found = [Difference("acme:live", 3_000, 1_000)]
    clock = ManualClock(wall_ns=DECEMBER_NS)
    await reconciling(sides, ledger, registry, clock, told).reconcile(compare=True)
    assert sides.compared == ["2026-11", "2026-12"]
    assert registry.value(LEDGER_DIFFERENCE) == 2
    clock.step_wall_ns(DAY_NS)
    await reconciling(sides, ledger, registry, clock, told).reconcile(compare=True)
    assert registry.value(LEDGER_DIFFERENCE) == 0


async def test_when_it_reconciles(ledger: Ledger) -> None:
    """GW-672, GW-673: at the start, every five minutes, and within a second of a boot's end; both months at their border."""
    sides, registry = Sides(), Registry(USAGE_METRICS)
    clock = ManualClock(wall_ns=WALL_US * 1_000)
    task = asyncio.create_task(reconciling(sides, ledger, registry, clock, []).run())

    async def pass_ns(duration_ns: int) -> None:
        clock.advance_ns(duration_ns)
        await until(lambda: clock._sleepers)  # it has looked, and waits again

    await pass_ns(0)
    assert (sides.compared, sides.folded) == (["2026-11"], ["2026-11"])
    await pass_ns(LOOK_NS)
    assert len(sides.folded) == 1
    sides.closed = 1
    await pass_ns(LOOK_NS)
    assert (len(sides.compared), len(sides.folded)) == (1, 2)
    clock.step_wall_ns(10 * 86_400 * 10**9 + 10 * 3_600 * 10**9)  # the first of December, 01:04
    await pass_ns(PERIOD_NS)
    assert sides.compared == ["2026-11", "2026-11", "2026-12"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_difference_is_shown_and_repairs_are_events(ledger: Ledger, tmp_path: Path) -> None:
    """GW-673, TL-250: not known before the first; the absolute difference in units; each repair with before and after."""
    sides, registry, told = Sides(), Registry(USAGE_METRICS), list[str]()
    work = reconciling(sides, ledger, registry, ManualClock(wall_ns=WALL_US * 1_000), told)
    assert math.isnan(registry.value(LEDGER_DIFFERENCE))
    ledger.write(charges(1, b"87654321"))
    sides.found = [Difference("acme:live", 3_500, 2_000), Difference("other:live", 0, 500)]
    sides.repairs = [Repair("acme:live", 3_500, 2_000), Repair("other:live", 0, 500)]
    await work.reconcile(compare=True)
    assert registry.value(LEDGER_DIFFERENCE) == 2
    sides.found = []
    await work.reconcile(compare=True)
    assert registry.value(LEDGER_DIFFERENCE) == 0
    connection = sqlite3.connect(tmp_path / "usage.db")
    rows = connection.execute(
        "SELECT seq, subject, units_mu, reason FROM usage_event WHERE kind = 'reconciled'"
    ).fetchall()
    connection.close()
    assert rows == [
        (1, "acme:live", 0, "counter 3500 to 2000 mu"),
        (2, "other:live", 0, "counter 0 to 500 mu"),
    ]
    assert ledger.month_sums("2026-11") == {"acme:live": 2_000}
    assert told == [
        "usage of 2026-11 differs for 2 subjects by 2 units: 'veritape usage reconcile' names them",
        "2 counters of 2026-11 differed from the ledger and were set to what it has: acme:live from 3.5 to 2 units; other:live from 0 to 0.5 units",
    ]


async def test_a_store_that_is_away_is_said(ledger: Ledger) -> None:
    sides, told = Sides(), list[str]()
    sides.away = True
    work = reconciling(sides, ledger, Registry(USAGE_METRICS), ManualClock(wall_ns=WALL_US * 1_000), told)
    await work.reconcile(compare=True)
    assert told == ["usage is not reconciled: the quota store does not answer"]
