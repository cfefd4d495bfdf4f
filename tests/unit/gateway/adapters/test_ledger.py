"""The ledger: append-only, idempotent, durable, locked."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from veritape.gateway.adapters.ledger import Ledger, write_events
from veritape.gateway.quota import Decision, Mode
from veritape.gateway.reasons import Reason
from veritape.gateway.usage import Caller, EventSource, Kind, Tally, TallyKey, UsageEvent
from veritape.kernel.errors import UnavailableError

DECISION = Decision(True, None, 2_000, (), 0, Mode.EXACT, "2026-11", 7)
CALLER = Caller("acme", "live", "key_a", "acme:live")
WALL_US = 1_795_187_045_000_000


def charges(count: int, boot: bytes = b"12345678") -> list[UsageEvent]:
    source = EventSource(boot)
    return [source.charge(CALLER, "trades", DECISION, WALL_US + index, f"r{index}") for index in range(count)]


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def test_what_was_appended_is_there(tmp_path: Path) -> None:
    """GW-661, GW-652: 300 concurrent appends are durable when they return; the month is kept beside them."""
    path = tmp_path / "usage.db"
    ledger = Ledger(path)
    events = charges(300)
    await asyncio.gather(*(ledger.append(event) for event in events))
    assert rows(path, "SELECT count(*), sum(units_mu) FROM usage_event") == [(300, 600_000)]
    ledger.close()
    assert rows(path, "SELECT * FROM usage_month") == [("acme:live", "2026-11", b"12345678", 600_000, 300)]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_repeating_an_event_changes_nothing(tmp_path: Path) -> None:
    """GW-651: an event's id is its boot and sequence; a refund counts once."""
    ledger = Ledger(tmp_path / "usage.db")
    source = EventSource(b"12345678")
    charge = source.charge(CALLER, "trades", DECISION, WALL_US, "r")
    refunds = [source.refund(charge, Reason.INTERNAL_ERROR, WALL_US) for _ in range(2)]
    for event in (charge, charge, *refunds):
        await ledger.append(event)
    ledger.close()
    assert rows(tmp_path / "usage.db", "SELECT units_mu, events FROM usage_month") == [(0, 2)]


async def test_the_ledger_refuses_change_and_removal(tmp_path: Path) -> None:
    """GW-652: triggers refuse UPDATE and DELETE."""
    ledger = Ledger(tmp_path / "usage.db")
    await ledger.append(charges(1)[0])
    ledger.close()
    connection = sqlite3.connect(tmp_path / "usage.db")
    for statement in ("UPDATE usage_event SET units_mu = 0", "DELETE FROM usage_event"):
        with pytest.raises(sqlite3.Error, match="append-only"):
            connection.execute(statement)
    connection.close()


async def test_a_restart_reads_months_and_recent_charges(tmp_path: Path) -> None:
    """GW-253: sums by subject and month; charges by second; refunds and counted rows do not fill buckets."""
    ledger = Ledger(tmp_path / "usage.db")
    source, tally = EventSource(b"12345678"), Tally()
    charge = source.charge(CALLER, "trades", DECISION, WALL_US, "r")
    tally.add(TallyKey(Kind.DENIED, "acme", "live", "trades", "rate_limited", 7), WALL_US)
    for event in (charge, charge._replace(seq=9), source.refund(charge, Reason.INTERNAL_ERROR, WALL_US)):
        await ledger.append(event)
    for event in tally.take(source, WALL_US, everything=True):
        await ledger.append(event)
    ledger.close()
    ledger = Ledger(tmp_path / "usage.db")
    assert ledger.month_sums("2026-11") == {"acme:live": 2_000}
    assert ledger.month_sums("2026-12") == {}
    assert ledger.charges_since(WALL_US) == {"acme:live": [(WALL_US, 4_000)]}
    assert ledger.charges_since(WALL_US + 1) == {}
    ledger.close()


async def test_a_ledger_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """GW-661, GW-665: the event is refused, nothing of its group is kept, and the next one is tried anew."""
    path = tmp_path / "usage.db"
    ledger = Ledger(path)
    blocker = sqlite3.connect(path)
    blocker.execute("ALTER TABLE usage_month RENAME TO elsewhere")
    blocker.commit()
    with pytest.raises(UnavailableError, match="cannot be written"):
        await ledger.append(charges(1)[0])
    assert rows(path, "SELECT count(*) FROM usage_event") == [(0,)]
    blocker.execute("ALTER TABLE elsewhere RENAME TO usage_month")
    blocker.commit()
    blocker.close()
    await ledger.append(charges(1)[0])
    ledger.close()


async def test_an_append_that_was_given_up_still_settles(tmp_path: Path) -> None:
    """GW-661: a caller that left does not disturb the writer."""
    ledger = Ledger(tmp_path / "usage.db")
    task = asyncio.ensure_future(ledger.append(charges(1)[0]))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await ledger.append(charges(2)[1])
    ledger.close()


def test_one_gateway_a_ledger(tmp_path: Path) -> None:
    """GW-941: ``ledger_locked`` for the second."""
    ledger = Ledger(tmp_path / "usage.db")
    with pytest.raises(UnavailableError, match="ledger_locked"):
        Ledger(tmp_path / "usage.db")
    ledger.close()
    Ledger(tmp_path / "usage.db").close()


def test_a_newer_or_broken_ledger_is_refused(tmp_path: Path) -> None:
    """GW-941: ``ledger_version``; nothing is written; a file that is no database is one line."""
    path = tmp_path / "usage.db"
    Ledger(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(UnavailableError, match="ledger_version"):
        Ledger(path)
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(UnavailableError, match="cannot open"):
        Ledger(path)


def test_a_transaction_that_fails_leaves_none_open(tmp_path: Path) -> None:
    path = tmp_path / "usage.db"
    Ledger(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.Error):
        write_events(connection, [charges(1)[0]._replace(boot=object())])  # type: ignore[arg-type]
    assert not connection.in_transaction
    connection.close()
