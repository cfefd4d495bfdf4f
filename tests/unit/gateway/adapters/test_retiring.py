"""Months that go, on both ledgers: what stays of them, and what keeps them."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.usage import WALL_US
from tests.usage_events import event
from tests.waiting import until

from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.ledgers import UsageLedger
from veritape.gateway.adapters.postgres_ledger import PostgresLedger
from veritape.gateway.adapters.retiring import PERIOD_NS, Retiring
from veritape.gateway.adapters.usage_reader import UsageReader
from veritape.gateway.billing import AccountUsage
from veritape.gateway.retention import DAY_US
from veritape.gateway.usage import Kind, UsageEvent
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import CheckFailedError, UnavailableError
from veritape.telemetry.audit_log import AuditKind, Entry

OLD, KEPT = "2025-09", "2025-10"
OLD_US, KEPT_US = WALL_US - 420 * DAY_US, WALL_US - 400 * DAY_US
"""At 400 days before 2026-11-20 September 2025 is due and October is not."""


def events() -> list[UsageEvent]:
    old: dict[str, Any] = {"period": OLD, "at_us": OLD_US}
    return [
        event(1, 5_000, **old), event(2, -2_000, Kind.REFUND, **old), event(3, -250, Kind.CREDIT, **old),
        event(4, 700, env="test", subject="acme:test", **old), event(5, 0, Kind.DENIED, subject="", items=9, **old),
        event(6, 3_000, account="bolt", subject="bolt:live", **old), event(7, 1_000, period=KEPT, at_us=KEPT_US), event(8),
    ]  # fmt: skip


@dataclass
class Scene:
    """A ledger and who lets its months go."""

    ledger: UsageLedger
    told: list[str] = field(default_factory=list)
    recorded: list[Entry] = field(default_factory=list)
    clock: ManualClock = field(default_factory=lambda: ManualClock(wall_ns=WALL_US * 1_000, monotonic_ns=0))

    def __post_init__(self) -> None:
        self.retiring = Retiring(self.ledger, 400, self.recorded.append, self.clock, self.told.append)
        self.reader = UsageReader(self.ledger.rows)

    def months(self) -> dict[str, int]:
        """Return how many events each month has."""
        rows = self.ledger.rows(
            "SELECT period, count(*) FROM usage_event GROUP BY period ORDER BY period", ()
        )
        return dict(row for row in rows)


@pytest.fixture(params=["sqlite", "postgres"])
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    ledger: UsageLedger
    if request.param == "sqlite":
        ledger = Ledger(tmp_path / "usage.db")
    else:
        ledger = PostgresLedger(request.getfixturevalue("postgres").database())
    ledger.write(events())
    yield Scene(ledger)
    ledger.close()


def test_a_month_goes_and_its_sums_and_invoices_stay(scene: Scene) -> None:
    """GW-684, GW-682, GW-673: events of a whole old month go; months, difference and what each account owes are as before."""
    accounts = scene.reader.accounts(OLD)
    before = scene.reader.month_usage(OLD)
    shares, sums = scene.ledger.shares(OLD), scene.ledger.month_sums(OLD)
    scene.retiring.retire()
    assert scene.months() == {KEPT: 1, "2026-11": 1}
    assert scene.reader.accounts(OLD) == accounts == ["acme", "bolt"]
    assert scene.reader.month_usage(OLD) == before
    assert before["acme"][:4] == ("acme", 3_000, 700, 250)
    assert (scene.ledger.shares(OLD), scene.ledger.month_sums(OLD)) == (shares, sums)
    assert (scene.ledger.broken_sums(OLD), scene.reader.differences(OLD)) == ({}, [])
    with pytest.raises(
        CheckFailedError, match=r"2025-09: its events were deleted after usage\.retention_days"
    ):
        scene.reader.figures(OLD, "route")
    assert scene.reader.figures(KEPT, "route") != []
    assert [(entry.kind, entry.subject, entry.detail["events"]) for entry in scene.recorded] == [
        (AuditKind.RETENTION_DELETED, "usage:2025-09", 5)
    ]
    assert scene.told == ["6 usage events of 2025-09 were deleted after 400 days; its sums and invoices stay"]
    scene.retiring.retire()
    assert len(scene.recorded) == 1


def test_a_month_is_read_once_however_many_accounts_it_has(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-684: an account more is no walk through the month more."""
    asked: list[str] = []
    rows = scene.ledger.rows

    def counted(query: str, values: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
        asked.append(query)
        return rows(query, values)

    monkeypatch.setattr(scene.ledger, "rows", counted)
    scene.ledger.write(
        [event(100 + n, account=f"a{n}", subject=f"a{n}:live", period=OLD, at_us=OLD_US) for n in range(50)]
    )
    scene.retiring.retire()
    assert scene.months() == {KEPT: 1, "2026-11": 1}
    assert len(asked) < 10


def test_a_month_that_was_retired_is_not_counted_twice(scene: Scene) -> None:
    """GW-664, GW-684: its groups written again change nothing; what is really new is counted, kept and shown."""
    scene.retiring.retire()
    assert scene.ledger.write(events()) == 0
    assert scene.ledger.month_sums(OLD) == {"acme:live": 2_750, "acme:test": 700, "bolt:live": 3_000}
    late = event(9, 400, boot=b"late-one", period=OLD, at_us=OLD_US)
    assert scene.ledger.write([late]) == 1
    assert scene.ledger.write([late]) == 0
    assert scene.ledger.month_sums(OLD)["acme:live"] == 3_150
    assert (scene.ledger.broken_sums(OLD), scene.reader.differences(OLD)) == ({}, [])
    with pytest.raises(CheckFailedError, match="1 events of account 'acme' came after"):
        scene.reader.month_usage(OLD)["acme"]
    scene.retiring.retire()
    assert scene.months()[OLD] == 1


def test_a_month_that_cannot_be_billed_stays(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-684: one that an operator credited lately stays whole; so does one with a difference, which is told once."""
    scene.ledger.write([event(20, -10, Kind.CREDIT, period=OLD)])
    scene.retiring.retire()
    assert (scene.months()[OLD], scene.told) == (7, [])
    scene.clock.advance_ns(401 * DAY_US * 1_000)
    broken = {OLD: {"acme:live": (1, 2)}}
    monkeypatch.setattr(scene.ledger, "broken_sums", lambda period: broken.get(period, {}))
    for _ in range(2):
        scene.retiring.retire()
    assert set(scene.months()) == {OLD, "2026-11"}
    assert [line for line in scene.told if OLD in line] == [
        "usage events of 2025-09 stay: 'veritape usage reconcile --period 2025-09' finds differences"
    ]


def test_what_came_while_a_month_was_added_up_keeps_it(scene: Scene) -> None:
    """GW-684: figures that no longer hold delete nothing."""
    kept = list(scene.reader.month_usage(OLD).values())
    scene.ledger.write([event(21, 40, period=OLD, at_us=OLD_US)])
    assert scene.ledger.retire(OLD, kept) == 0
    assert scene.months()[OLD] == 7
    assert not scene.reader.is_retired(OLD)
    scene.retiring.retire()
    assert scene.ledger.retire(OLD, kept) == 0
    assert scene.reader.month_usage(OLD)["acme"].live_mu == 3_040


def test_no_record_no_deletion(scene: Scene) -> None:
    """GW-684, GW-704: an audit log that cannot be written keeps the month."""

    def refuse(_: Entry) -> None:
        raise UnavailableError("the audit log cannot be written")

    with pytest.raises(UnavailableError, match="audit log"):
        Retiring(scene.ledger, 400, refuse, scene.clock, scene.told.append).retire()
    assert scene.months()[OLD] == 6


def test_what_is_kept_cannot_be_changed(scene: Scene) -> None:
    """GW-652, GW-684: sums and invoices of months that went are as append-only as the events; so are the other events."""
    scene.retiring.retire()
    if isinstance(scene.ledger, Ledger):
        run = scene.ledger._connection.execute
        for statement in (
            "UPDATE usage_kept SET live_mu = 0", "DELETE FROM usage_retired", "DELETE FROM usage_event",
        ):  # fmt: skip
            with pytest.raises(Exception, match=r"append-only|stays"):
                run(statement)
    else:
        for statement in (
            "UPDATE usage_kept SET live_mu = 0", "DELETE FROM usage_retired", "DELETE FROM usage_event",
        ):  # fmt: skip
            with pytest.raises(UnavailableError, match="append-only"):
                scene.ledger.rows(statement, ())
    assert scene.months() == {KEPT: 1, "2026-11": 1}


async def test_it_looks_each_hour_and_goes_on_after_a_failure(scene: Scene) -> None:
    """GW-684: a ledger that is away is asked at the next look."""
    fails, tried = [True], 0
    retire = scene.ledger.retire

    async def is_tried(count: int) -> None:
        await until(lambda: tried == count == len(scene.told))

    def once(period: str, kept: list[AccountUsage]) -> int:
        nonlocal tried
        tried += 1
        if fails:
            raise UnavailableError("away")
        return retire(period, kept)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.ledger, "retire", once)
        running = asyncio.ensure_future(scene.retiring.run())
        for count in (1, 2, 3):
            fails[:] = [True] if count < 3 else []
            await is_tried(count)
            scene.clock.advance_ns(PERIOD_NS)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert scene.told[:2] == ["old usage events were not deleted: away"] * 2
    assert scene.reader.is_retired(OLD)
