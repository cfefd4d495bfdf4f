"""One suite for every ledger: the same events, the same figures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.usage import BOOT, WALL_US, charges

from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.ledgers import UsageLedger
from veritape.gateway.adapters.postgres_ledger import PostgresLedger
from veritape.gateway.reasons import Reason
from veritape.gateway.reconciliation import Share, by_name, repair_event
from veritape.gateway.usage import EventSource, Kind, Tally, TallyKey

OTHER = b"87654321"


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[UsageLedger]:
    made: UsageLedger
    if request.param == "sqlite":
        made = Ledger(tmp_path / "usage.db")
    else:
        made = PostgresLedger(request.getfixturevalue("postgres").database())
    yield made
    made.close()


def test_repeating_changes_nothing(ledger: UsageLedger) -> None:
    """GW-651, GW-652, GW-664: a group that is written again, whole or in part, adds nothing; new events in it do."""
    assert ledger.write(charges(300)) == 300
    assert ledger.write(charges(300)) == 0
    assert ledger.write([*charges(10, first=296), *charges(2, OTHER)]) == 7
    assert ledger.shares("2026-11") == {
        Share("acme:live", BOOT.hex(), closed=False): 610_000,
        Share("acme:live", OTHER.hex(), closed=False): 4_000,
    }
    assert ledger.month_sums("2026-11") == {"acme:live": 614_000}
    assert ledger.write([]) == 0


def test_a_refund_counts_once(ledger: UsageLedger) -> None:
    """GW-216, GW-652: a charge is given back at most once, whatever the ids of its refunds."""
    source = EventSource(BOOT)
    charge = charges(1)[0]
    refunds = [source.refund(charge, Reason.INTERNAL_ERROR, WALL_US)._replace(seq=seq) for seq in (8, 9)]
    assert ledger.write([charge, *refunds]) == 2
    assert ledger.month_sums("2026-11") == {"acme:live": 0}
    assert ledger.broken_sums("2026-11") == {}


def test_what_a_restart_reads(ledger: UsageLedger) -> None:
    """GW-253: sums by subject and month; charges by second; refunds and counted rows do not fill buckets."""
    source, tally = EventSource(BOOT), Tally()
    charge = charges(1)[0]
    tally.add(TallyKey(Kind.DENIED, "acme", "live", "trades", "rate_limited", 7), WALL_US)
    refund = source.refund(charge, Reason.INTERNAL_ERROR, WALL_US)._replace(seq=7)
    counted = [event._replace(seq=8) for event in tally.take(source, WALL_US, everything=True)]
    ledger.write([charge, charge._replace(seq=9), refund, *counted])
    assert ledger.month_sums("2026-11") == {"acme:live": 2_000}
    assert ledger.month_sums("2026-12") == {}
    assert ledger.charges_since(WALL_US) == {"acme:live": [(WALL_US, 4_000)]}
    assert ledger.charges_since(WALL_US + 2) == {}


def test_shares_tell_which_boots_are_closed(ledger: UsageLedger) -> None:
    """GW-258, GW-672: each boot's own, of one subject or of all; a boot is closed once, written or not."""
    third = b"abcdefgh"
    events = [*charges(3), *charges(2, OTHER), *charges(1, third)]
    ledger.write([*events, charges(2, third)[1]._replace(subject="other:live")])
    for boot in (BOOT, OTHER, OTHER, b"unheard-"):
        ledger.close_boot(boot)
    assert ledger.shares("2026-11", "acme:live") == {
        Share("acme:live", BOOT.hex(), closed=True): 6_000,
        Share("acme:live", OTHER.hex(), closed=True): 4_000,
        Share("acme:live", third.hex(), closed=False): 2_000,
    }
    assert by_name(ledger.shares("2026-11")) == {
        "acme:live": {"closed": 10_000, third.hex(): 2_000},
        "other:live": {third.hex(): 2_000},
    }
    assert ledger.shares("2026-11", "nobody:live") == {}


def test_a_repair_is_kept_and_adds_nothing(ledger: UsageLedger) -> None:
    """GW-673: a ``reconciled`` event is in the ledger, months are as before."""
    repair = repair_event(OTHER, 1, "acme:live", "2026-11", (5_000, 6_000), WALL_US)
    ledger.write([*charges(3), repair])
    assert ledger.month_sums("2026-11") == {"acme:live": 6_000}
    assert ledger.broken_sums("2026-11") == {}
    assert (repair.kind, repair.account, repair.env, repair.reason) == (
        Kind.RECONCILED, "acme", "live", "counter 5000 to 6000 mu",
    )  # fmt: skip
