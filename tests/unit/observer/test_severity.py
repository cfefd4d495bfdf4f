"""Severities and anomaly days."""

import pytest

from veritape.observer.severity import (
    Anomaly,
    Severity,
    anomalies,
    of_outage,
    of_residual,
    of_shares,
    of_sweep,
    worst,
)

LOW, MEDIUM, HIGH = Severity
FINE = {"severity": "low", "status": "complete", "contradictions": 0, "gaps": []}


@pytest.mark.parametrize(
    ("shares", "severity"),
    [(0, LOW), (99, LOW), (100, MEDIUM), (999, MEDIUM), (1000, HIGH)],
)
def test_missing_shares_by_share_of_the_reference(shares: int, severity: Severity) -> None:
    """OB-674: thresholds of 0.1 % and 1 %."""
    assert of_shares(shares, 100_000) is severity


@pytest.mark.parametrize(("shares", "severity"), [(0, LOW), (1, MEDIUM), (99, MEDIUM), (100, HIGH)])
def test_a_residual_of_any_size_is_medium(shares: int, severity: Severity) -> None:
    """OB-674: a residual: above 0 medium, from 0.1 % high."""
    assert of_residual(shares, 100_000) is severity


@pytest.mark.parametrize(
    ("seconds", "severity"), [(0, LOW), (59, LOW), (60, MEDIUM), (299, MEDIUM), (300, HIGH)]
)
def test_time_without_watching(seconds: int, severity: Severity) -> None:
    """OB-674: 60 s and 300 s in session."""
    assert of_outage(seconds) is severity


@pytest.mark.parametrize(
    ("missing", "skipped", "severity"),
    [
        (0, 0, LOW),
        (9, 0, LOW),
        (10, 0, MEDIUM),
        (99, 0, MEDIUM),
        (100, 0, HIGH),
        (1000, 1, MEDIUM),
        (1000, 2, HIGH),
    ],
)
def test_sweeps(missing: int, skipped: int, severity: Severity) -> None:
    """OB-674: 1 % and 10 % of a cycle's codes, one cycle skipped, two in a row."""
    assert of_sweep(missing, 1000, skipped) is severity


def test_the_worst_row_applies() -> None:
    """OB-674: the worst of all criteria; none is low."""
    assert worst([LOW, HIGH, MEDIUM]) is HIGH
    assert worst([]) is LOW


def outage(seconds: int, scope: str = "connection", severity: str = "low") -> dict[str, object]:
    return {"scope": scope, "duration_s": seconds, "severity": severity, "parent": None}


def day(*gaps: dict[str, object], **line: object) -> dict[str, object]:
    return {"gaps": list(gaps), "lines": [{**FINE, **line}]}


@pytest.mark.parametrize(
    ("audit", "found"),
    [
        (day(), []),
        (day(*[outage(1)] * 19), []),
        (day(*[outage(1)] * 20), [Anomaly.RECONNECTS]),
        (day(outage(599)), []),
        (day(outage(600, "process")), [Anomaly.NOT_CONNECTED]),
        (day(outage(60), outage(59)), []),
        (day(outage(60), outage(60)), [Anomaly.LONG_GAPS]),
        (day(outage(300, severity="high")), [Anomaly.HIGH_GAP]),
        (day(severity="high"), [Anomaly.HIGH_GAP]),
        (day(gaps=[outage(2, "line", "high")]), [Anomaly.HIGH_GAP]),
        (day(gaps=[{**outage(90, "line"), "parent": "x"}] * 2), []),
        (day(contradictions=1), [Anomaly.CONTRADICTION]),
        (day(status="contradicted"), [Anomaly.CONTRADICTION]),
    ],
)
def test_what_makes_an_anomaly_day(audit: dict[str, object], found: list[Anomaly]) -> None:
    """OB-676: each threshold, and one below it; a child gap is its parent's."""
    assert anomalies(audit) == found


def test_a_failed_backup_makes_one_too() -> None:
    """OB-676: a failed backup or drill."""
    assert anomalies(day(), backup_failed=True) == [Anomaly.BACKUP_FAILED]
