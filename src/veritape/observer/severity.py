"""How much a gap matters, and which days are not like others (OB-674, OB-676).

The thresholds speak of shares and of seconds in session, never of a number of gaps: four lost shares of four million are
nothing, however many frames carried them. The worst criterion counts.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

PER_MILLE, PER_CENT, TENTH = 1_000, 100, 10
"""Denominators of the thresholds: 0.1 %, 1 %, 10 %."""

SHORT_S, LONG_S = 60, 300
"""Seconds without watching in session from which an outage is medium, and high."""

RECONNECTS: Final = 20
"""Reconnects that make a day an anomaly."""

NOT_CONNECTED_S: Final = 600
"""Seconds of session without a connection that do."""

LONG_GAPS: Final = 2
"""Gaps of ``SHORT_S`` or more that do."""


class Severity(StrEnum):
    """How much a gap matters (OB-674)."""

    LOW = "low"
    """Below the thresholds."""
    MEDIUM = "medium"
    """From 0.1 % of the reference shares, 60 s or 1 % of a sweep, or any residual."""
    HIGH = "high"
    """From 1 % of the reference shares, 300 s or 10 % of a sweep, a residual from 0.1 %, a contradiction."""


class Anomaly(StrEnum):
    """Why a day is not like others (OB-676): its raw data are kept longer."""

    RECONNECTS = "reconnects"
    """20 reconnects."""
    NOT_CONNECTED = "not_connected"
    """600 s of session without a connection."""
    LONG_GAPS = "long_gaps"
    """Two gaps of 60 s or more."""
    HIGH_GAP = "high_gap"
    """A gap or a line of high severity."""
    CONTRADICTION = "contradiction"
    """Counters that cannot all be true."""
    BACKUP_FAILED = "backup_failed"
    """A backup or a drill failed."""


def of_shares(missing: int, reference: int) -> Severity:
    """Return the severity of missing shares while they may still come."""
    if missing * PER_CENT >= reference:
        return Severity.HIGH if missing else Severity.LOW
    return Severity.MEDIUM if missing * PER_MILLE >= reference else Severity.LOW


def of_residual(residual: int, reference: int) -> Severity:
    """Return the severity of shares that did not come: of a gap, or of a line at the day's end."""
    if not residual:
        return Severity.LOW
    return Severity.HIGH if residual * PER_MILLE >= reference else Severity.MEDIUM


def of_outage(seconds: int) -> Severity:
    """Return the severity of session time in which nobody watched."""
    if seconds >= LONG_S:
        return Severity.HIGH
    return Severity.MEDIUM if seconds >= SHORT_S else Severity.LOW


def of_sweep(missing: int, expected: int, skipped_in_a_row: int) -> Severity:
    """Return the severity of a cycle.

    Args:
        missing: codes without a quote.
        expected: codes that were asked for.
        skipped_in_a_row: cycles that did not run at all, this one and those before it.
    """
    if skipped_in_a_row > 1 or (not skipped_in_a_row and missing * TENTH >= expected and missing):
        return Severity.HIGH
    return (
        Severity.MEDIUM if skipped_in_a_row or (missing and missing * PER_CENT >= expected) else Severity.LOW
    )


def worst(severities: Iterable[Severity]) -> Severity:
    """Return the worst row that applies."""
    return max(severities, key=_RANK.index, default=Severity.LOW)


def anomalies(audit: Mapping[str, Any], *, backup_failed: bool = False) -> list[Anomaly]:
    """Return why the day of an audit document is not like others; nothing for a day like any other."""
    outages = [gap for gap in audit["gaps"] if gap["scope"] in {"connection", "process"}]
    connections = [gap for gap in outages if gap["scope"] == "connection"]
    every = [*audit["gaps"], *(gap for line in audit["lines"] for gap in line["gaps"])]
    found = {
        Anomaly.RECONNECTS: len(connections) >= RECONNECTS,
        Anomaly.NOT_CONNECTED: sum(gap["duration_s"] for gap in outages) >= NOT_CONNECTED_S,
        Anomaly.LONG_GAPS: sum(gap["duration_s"] >= SHORT_S for gap in every if not gap["parent"])
        >= LONG_GAPS,
        Anomaly.HIGH_GAP: any(one["severity"] == Severity.HIGH for one in (*every, *audit["lines"])),
        Anomaly.CONTRADICTION: any(
            line["contradictions"] or line["status"] == "contradicted" for line in audit["lines"]
        ),
        Anomaly.BACKUP_FAILED: backup_failed,
    }
    return [anomaly for anomaly, is_so in found.items() if is_so]


_RANK: Final = list(Severity)
