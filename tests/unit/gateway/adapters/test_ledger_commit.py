"""Charges that go to the database first: its 100 ms, its refusals, and what it takes all the same."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.usage import BOOT, charges
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.drainer import Drained, Drainer
from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.ledger_commit import DEADLINE_S, LedgerFirst
from veritape.gateway.adapters.outbox import Outbox
from veritape.gateway.usage import UsageEvent
from veritape.kernel.errors import UnavailableError


class Target:
    """Takes groups, fails or hangs when told."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.fails, self.answers = False, threading.Event()
        self.answers.set()

    def write(self, events: Sequence[UsageEvent]) -> None:
        self.answers.wait()
        if self.fails:
            raise UnavailableError("refused")
        self.seqs += [event.seq for event in events]


def test_the_database_is_first_and_the_outbox_second() -> None:
    """GW-661: committed by the database, nothing goes to the outbox; refused, the outbox has it; both refuse: nobody."""
    ledger, outbox = Target(), Target()
    commit = LedgerFirst(ledger.write, outbox.write, deadline_s=PATIENCE_S)
    commit.write(charges(2))
    ledger.fails = True
    commit.write(charges(1, first=3))
    outbox.fails = True
    with pytest.raises(UnavailableError, match="refused"):
        commit.write(charges(1, first=4))
    ledger.fails = False
    commit.write(charges(1, first=5))
    assert (ledger.seqs, outbox.seqs) == ([1, 2, 5], [3])
    assert DEADLINE_S == 0.1
    commit.close()


def test_a_database_that_hangs_costs_its_deadline_once() -> None:
    """GW-661: while a write hangs, groups go to the outbox at once; when it came through after all, the next goes there."""
    ledger, outbox = Target(), Target()
    commit = LedgerFirst(ledger.write, outbox.write, deadline_s=0.001)
    ledger.answers.clear()
    for number in (1, 2, 3):
        commit.write(charges(1, first=number))
    assert (ledger.seqs, outbox.seqs) == ([], [1, 2, 3])
    ledger.answers.set()
    assert commit._begun is not None
    commit._begun.result(PATIENCE_S)
    commit._deadline_s = PATIENCE_S
    commit.write(charges(1, first=4))
    assert (ledger.seqs, outbox.seqs) == ([1, 4], [1, 2, 3])
    commit.close()


def test_an_event_in_both_places_is_one(tmp_path: Path) -> None:
    """GW-661, GW-664: what the database took late and the outbox has too is drained as a duplicate."""
    ledger, outbox = Ledger(tmp_path / "usage.db"), Outbox(tmp_path / "outbox", BOOT)
    ledger.write(charges(2))
    outbox.write(charges(3))
    assert Drainer(tmp_path / "outbox", ledger, print).drain() == Drained(drained=1, duplicates=2)
    assert ledger.month_sums("2026-11") == {"acme:live": 6_000}
    outbox.close()
    ledger.close()
