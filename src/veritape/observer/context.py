"""Context synchronisation: the first choice of the day, half an hour after the open (OB-391 to 394).

rank = 0.4 min(a, 10) + 0.3 min(b, 10) + 0.3 min(100 |c|, 10), of one sweep of the whole universe: a is the volume against
yesterday's pace, b the range of the day against the universe's median range, c the change against the reference price. The
caps keep one number from deciding alone. Example: ratios 3.0 and 2.0 and a change of +5 % rank 1.2 + 0.6 + 1.5 = 3.3.
"""

from collections.abc import Mapping
from enum import StrEnum
from statistics import median
from typing import Final

from veritape.observer.sessions import MINUTE_S, Hours
from veritape.observer.triggers import Snapshot

NAME: Final = "context"
"""What stands for a trigger in scores and logs."""

LIFETIME_S: Final = 600
"""Seconds for which the rank counts as the code's score: until the next interval of the grid has been judged."""

SWEEP_BEFORE_S: Final = 10
"""Seconds before the choice at which the context sweep starts."""

SWEEP_SECONDS: Final = 5
"""Time that the sweep has: done at 09:29:54.5, judged at 09:29:55. After a late start nothing waits for it: it has a cycle's."""

CAP: Final = 10.0
"""Largest part of each of the three."""

WEIGHTS: Final = (0.4, 0.3, 0.3)
"""Of volume, volatility and change."""


class Provenance(StrEnum):
    """What the choice was made from."""

    CONTEXT = "context"
    """The context sweep, at its time."""
    STALE_CONTEXT = "stale_context"
    """The grid's sweep before it: the context sweep failed."""
    LATE_START = "late_start"
    """A context sweep after its time: the recorder started late."""
    CONTEXT_FAILED = "context_failed"
    """No sweep at all: the slots stay as they are."""


def choice_s(hours: Hours, context_minutes: int) -> int:
    """Return the second of the day at which the choice is applied."""
    return hours.open_s + context_minutes * MINUTE_S


def rank(volume_ratio: float, volatility_ratio: float, change: float) -> float:
    """Return a code's rank, 0 to 10."""
    parts = (volume_ratio, volatility_ratio, 100 * abs(change))
    return sum(weight * min(part, CAP) for weight, part in zip(WEIGHTS, parts, strict=True))


def ranks(
    rows: Mapping[str, Snapshot], previous_shares: Mapping[str, int], elapsed_s: int, session_s: int
) -> dict[str, float]:
    """Rank every code of a sweep.

    Args:
        rows: the sweep.
        previous_shares: yesterday's volume by code; without one the volume ratio is 0.
        elapsed_s: seconds since the open.
        session_s: seconds from open to close.
    """
    spans = {code: _span(row) for code, row in rows.items()}
    middle = median(spans.values()) if spans else 0.0
    return {
        code: rank(
            _volume_ratio(row, previous_shares.get(code, 0), elapsed_s, session_s),
            spans[code] / middle if middle else 0.0,
            row.price / row.reference_price - 1 if row.reference_price > 0 else 0.0,
        )
        for code, row in rows.items()
    }


def _span(row: Snapshot) -> float:
    return (row.high - row.low) / row.open if row.open > 0 else 0.0


def _volume_ratio(row: Snapshot, previous_shares: int, elapsed_s: int, session_s: int) -> float:
    expected = previous_shares * elapsed_s / session_s
    return row.chain_shares / expected if expected > 0 else 0.0
