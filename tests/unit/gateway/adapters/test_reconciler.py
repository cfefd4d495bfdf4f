"""Both sides of a month: differences at rest and on the way, folds, and faults that are planted."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from tests.usage import BOOT, charges

from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.reconciler import Reconciler
from veritape.gateway.reconciliation import CLOSED, Counter, Difference, Repair, folded
from veritape.gateway.shared_state import Month

OTHER = b"87654321"


class Counters:
    """Month counters in a dict, folded as the definition says."""

    def __init__(self) -> None:
        self.months: dict[str, Month] = {}
        self.folds = 0

    def read(self, period: str) -> dict[str, Counter]:
        assert period == "2026-11"
        return {subject: Counter(month, 0) for subject, month in self.months.items()}

    def fold(self, subject: str, period: str, closed_mu: int, boots: Iterable[str]) -> tuple[int, int] | None:
        assert period == "2026-11"
        before = self.months[subject]
        self.months[subject] = folded(before, closed_mu, boots)
        self.folds += 1
        return before.total_mu, self.months[subject].total_mu


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "usage.db")
    yield made
    made.close()


@pytest.fixture
def counters() -> Counters:
    return Counters()


def reconciler(ledger: Ledger, counters: Counters, pauses: list[int]) -> Reconciler:
    return Reconciler(ledger, counters, lambda: pauses.append(1))  # type: ignore[arg-type]


def test_a_closed_boot_is_worth_what_the_ledger_says(ledger: Ledger, counters: Counters) -> None:
    """GW-672: what was charged and never answered goes back; the living boot's share stays; a second fold does nothing."""
    ledger.write([*charges(3), *charges(2, OTHER)])
    counters.months["acme:live"] = Month(54_000, {BOOT.hex(): 50_000, OTHER.hex(): 4_000})
    ledger.close_boot(BOOT)
    both = reconciler(ledger, counters, [])
    assert both.fold("2026-11") == [Repair("acme:live", 54_000, 10_000, 0, ((BOOT.hex(), 50_000, 6_000),))]
    assert counters.months["acme:live"] == Month(10_000, {OTHER.hex(): 4_000, CLOSED: 6_000})
    assert both.fold("2026-11") == []
    assert counters.folds == 1
    assert both.differences("2026-11") == []


def test_a_total_that_is_not_its_shares_is_repaired(ledger: Ledger, counters: Counters) -> None:
    """GW-673: a planted difference is found by three looks, and mended by a fold."""
    ledger.write(charges(3))
    counters.months["acme:live"] = Month(7_000, {BOOT.hex(): 6_000})
    pauses: list[int] = []
    both = reconciler(ledger, counters, pauses)
    assert both.differences("2026-11") == [Difference("acme:live", 7_000, 6_000)]
    assert len(pauses) == 3
    assert both.fold("2026-11") == [Repair("acme:live", 7_000, 6_000)]
    assert both.differences("2026-11") == []


def test_what_is_on_its_way_is_no_difference(ledger: Ledger, counters: Counters) -> None:
    """GW-673: charges that reach the ledger between two looks agree."""
    counters.months["acme:live"] = Month(6_000, {BOOT.hex(): 6_000})
    both = Reconciler(ledger, counters, lambda: ledger.write(charges(3)))  # type: ignore[arg-type]
    assert both.differences("2026-11") == []


def test_counters_in_memory_leave_the_ledger_s_own_sums(ledger: Ledger, tmp_path: Path) -> None:
    """GW-673: a row removed behind its trigger is found without Redis too."""
    ledger.write(charges(3))
    alone = Reconciler(ledger, None, lambda: None)
    assert alone.differences("2026-11") == []
    ledger._connection.execute("DROP TRIGGER usage_event_not_deleted")
    ledger._connection.execute("DELETE FROM usage_event WHERE seq = 1")
    assert alone.differences("2026-11") == [Difference("acme:live", 6_000, 4_000)]
    assert alone.fold("2026-11") == []
