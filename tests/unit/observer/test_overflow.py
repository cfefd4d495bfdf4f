"""The overflow ledger: entries, their spans, and the sum that counts each span once."""

from veritape.observer.control import OVERFLOW
from veritape.observer.overflow import OverflowLedger, OverflowReason, Weakest
from veritape.observer.triggers import Snapshot


def seen(shares: int, value: int) -> Snapshot:
    return Snapshot(1, 1, 1, 1, shares, value, 1)


def turned_away(ledger: OverflowLedger, code: str, at_ns: int, row: Snapshot | None) -> None:
    ledger.turned_away(at_ns, code, ("ranking", 8), Weakest("W", 7), OverflowReason.HYSTERESIS, row)


def test_an_entry_ends_when_the_code_gets_a_slot_or_at_the_close() -> None:
    """OB-348: shares and value that the code traded from then until it got a slot or the close."""
    ledger = OverflowLedger()
    turned_away(ledger, "A", 1, seen(100, 1_000))
    turned_away(ledger, "B", 2, seen(10, 50))
    ledger.got_a_slot(5, "A", seen(160, 1_700))
    ledger.close(9, {"B": seen(40, 230)})
    assert [(e.code, e.until_ns, e.shares, e.value_krw) for e in ledger.entries] == [
        ("A", 5, 60, 700),
        ("B", 9, 30, 180),
    ]
    assert ledger.total() == (90, 880)
    assert list(ledger.waiting()) == []


def test_overlapping_spans_of_a_code_count_once_in_the_days_sum() -> None:
    """OB-348: what would have been watched and was not."""
    ledger = OverflowLedger()
    turned_away(ledger, "A", 1, seen(100, 1_000))
    turned_away(ledger, "A", 3, seen(120, 1_200))
    assert list(ledger.waiting()) == ["A"]
    ledger.got_a_slot(5, "A", seen(150, 1_500))
    turned_away(ledger, "A", 7, seen(200, 2_000))
    ledger.close(9, {"A": seen(210, 2_100)})
    assert [e.shares for e in ledger.entries] == [50, 30, 10]
    assert ledger.total() == (60, 600)


def test_without_a_sweep_at_both_ends_nothing_is_claimed() -> None:
    """OB-348: before the first sweep the shares at that time are not known."""
    ledger = OverflowLedger()
    turned_away(ledger, "A", 1, None)
    turned_away(ledger, "B", 1, seen(1, 1))
    ledger.close(9, {"A": seen(40, 230)})
    assert [(e.shares, e.value_krw) for e in ledger.entries] == [(None, None), (None, None)]
    assert ledger.total() == (0, 0)


def test_an_entry_is_a_row_of_the_table() -> None:
    """OB-348: time, code, trigger, score, weakest slot's code and score, reason, sweep shares; filled at day end."""
    ledger = OverflowLedger()
    turned_away(ledger, "A", 1, seen(100, 1_000))
    ledger.turned_away(2, "B", ("", 0), None, OverflowReason.NO_SLOT, None)
    first, second = (entry.row("20131007") for entry in ledger.entries)
    assert set(first) == set(OVERFLOW.names)
    assert first == {
        "day": "20131007", "number": 0, "at_ns": 1, "code": "A", "trigger": "ranking", "score_micro": 8,
        "weakest_code": "W", "weakest_score_micro": 7, "reason": "hysteresis", "sweep_shares": 100, "until_ns": None,
        "shares": None, "value_krw": None,
    }  # fmt: skip
    assert (second["weakest_code"], second["weakest_score_micro"], second["reason"]) == (
        None,
        None,
        "no_slot",
    )
