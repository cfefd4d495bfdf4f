"""A worker's metering put together: outbox, ledger, figures, and what a restart finds."""

import asyncio
import importlib
import json
from pathlib import Path

import pytest
from tests.usage import CALLER, DECISION, WALL_US
from tests.usage_events import event, write_ledger
from tests.waiting import until

from veritape.apps.metering import PROBE_NS, drained_ledger, open_ledger, worker_metering
from veritape.gateway.adapters.ledger import FILE, SqliteReader
from veritape.gateway.adapters.outbox import FOLDER
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.adapters.usage_reader import sqlite_usage
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.settings import GatewaySettings, LedgerSettings, UsageSettings
from veritape.gateway.usage import Commit, OnFailure
from veritape.gateway.usage_metrics import COMMIT_SECONDS, LEDGER_EVENTS, USAGE_METRICS
from veritape.kernel.clock import ManualClock, SystemClock
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.telemetry import Registry
from veritape.telemetry.adapters.audit_files import AuditFiles

POLICY = read_policy(shipped_policy(), "policy.toml")


async def test_a_charge_goes_through_the_outbox_into_the_ledger(tmp_path: Path) -> None:
    """GW-661, GW-664, TL-250: durable before the drainer sees it; in the ledger and closed when the worker has ended."""
    settings, registry, clock = GatewaySettings(data_dir=tmp_path), Registry(USAGE_METRICS), SystemClock()
    async with drained_ledger(settings, POLICY, registry, clock) as work:
        with worker_metering(settings, registry, clock) as metering:
            await metering.commit.append(metering.events.charge(CALLER, "trades", DECISION, WALL_US, "r"))
            assert registry.value(LEDGER_EVENTS, result="written") == 1
            assert registry.value(COMMIT_SECONDS) == 1
            assert await metering.sums("acme:live", "2026-11") == {}
            await work.draining.drain()
            assert await metering.sums("acme:live", "2026-11") == {metering.events.boot.hex(): 2_000}
    assert registry.value(LEDGER_EVENTS, result="drained") == 1
    assert await metering.sums("acme:live", "2026-11") == {"closed": 2_000}
    assert list((tmp_path / FOLDER).iterdir()) == []


async def test_a_restart_finds_what_a_dead_worker_left(tmp_path: Path) -> None:
    """GW-253, GW-664: what was durable in its outbox is in the ledger before the first request."""
    settings, registry, clock = GatewaySettings(data_dir=tmp_path), Registry(USAGE_METRICS), SystemClock()
    with worker_metering(settings, registry, clock) as metering:
        await metering.commit.append(metering.events.charge(CALLER, "trades", DECISION, WALL_US, "r"))
    async with drained_ledger(settings, POLICY, registry, clock):
        assert metering.reader.month_sums("2026-11") == {"acme:live": 2_000}
        assert metering.reader.charges_since(WALL_US) == {"acme:live": [(WALL_US, 2_000)]}


async def test_old_months_go_while_the_ledger_is_owned(tmp_path: Path) -> None:
    """GW-684, GW-704: beside draining, after a record in the audit log; the month's sums stay."""
    write_ledger(tmp_path / FILE, [event(1, period="2020-01", at_us=1), event(2)])
    settings, registry = GatewaySettings(data_dir=tmp_path), Registry(USAGE_METRICS)
    clock = ManualClock(wall_ns=WALL_US * 1_000)
    reader = SqliteReader(tmp_path / FILE)
    async with drained_ledger(settings, POLICY, registry, clock) as work:
        running = asyncio.create_task(work.run())

        def is_retired() -> bool:
            with sqlite_usage(tmp_path / FILE) as usage:
                return usage.is_retired("2020-01")

        await until(is_retired)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    with sqlite_usage(tmp_path / FILE) as usage:
        assert list(usage.events("2020-01", "acme")) == []
        assert len(list(usage.events("2026-11", "acme"))) == 1
    assert reader.month_sums("2020-01") == {"acme:live": 1_000}
    (record,) = (json.loads(line) for line in AuditFiles(tmp_path, clock).lines())
    assert (record["kind"], record["subject"]) == ("retention_deleted", "usage:2020-01")


async def test_an_outbox_that_fails_is_tried_each_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-665: refused while it fails; the probe finds out when it works again. GW-771: lost only where requests go on."""
    clock = ManualClock()
    usage = UsageSettings(on_failure=OnFailure.CONTINUE)
    registry = Registry(USAGE_METRICS)
    with worker_metering(GatewaySettings(data_dir=tmp_path, usage=usage), registry, clock) as metering:
        probing = asyncio.create_task(metering.probe())
        outbox = next((tmp_path / FOLDER).iterdir())
        with monkeypatch.context() as fault:

            def refuse(*_: object) -> None:
                raise OSError(5, "Input/output error")

            fault.setattr("veritape.gateway.adapters.outbox.os.pwrite", refuse)
            with pytest.raises(UnavailableError, match="Input/output"):
                await metering.commit.append(metering.events.charge(CALLER, "trades", DECISION, WALL_US, "r"))
            assert metering.commit.failed
        assert registry.value(LEDGER_EVENTS, result="lost") == 1

        def works_again() -> bool:
            clock.advance_ns(PROBE_NS)
            return not metering.commit.failed

        await until(works_again)
        assert len(list(outbox.parent.iterdir())) == 2
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)


def test_commits_to_a_ledger_need_one_that_many_write(tmp_path: Path) -> None:
    """GW-661: ``ledger`` without PostgreSQL is refused with the remedy."""
    settings = GatewaySettings(data_dir=tmp_path, usage=UsageSettings(commit=Commit.LEDGER))
    with (
        pytest.raises(MisuseError, match=r"needs ledger\.url"),
        worker_metering(settings, Registry(USAGE_METRICS), SystemClock()),
    ):
        pass


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-685: a database without its client library is one line."""

    def missing(name: str) -> object:
        raise ModuleNotFoundError(name, name="psycopg")

    monkeypatch.setattr(importlib, "import_module", missing)
    settings = GatewaySettings(data_dir=tmp_path, ledger=LedgerSettings(url="postgresql://localhost/usage"))
    with pytest.raises(MisuseError, match=r"'psycopg': install veritape\[postgres\]"):
        open_ledger(settings)
