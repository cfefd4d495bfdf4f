"""Families of journal, ledger and gaps as values."""

from veritape.observer.ledger_metrics import GAPS, LEDGER, OPEN_GAPS


def test_their_names_and_series() -> None:
    """TL-210, TL-220: distinct, the ten causes and three severities."""
    assert len({metric.name for metric in LEDGER}) == len(LEDGER) == 18
    assert (GAPS.series, OPEN_GAPS.series) == (10, 3)
