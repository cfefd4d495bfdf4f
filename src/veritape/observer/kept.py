"""Proving a day again whose journal the retention has removed: what was stated, held against what is still there (OB-732).

The statement was made while the journal was here. The sealed segments still hold every recorded trade, the backfill files
every fetched one, and the statement the end anchors; so recorded, backfilled, every hole and with them the residual are
computed again in SQL and must be those that were stated. Why a hole is there, when a code was watched, what came twice and
how many trades lie behind a line's last record are known from the statement alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from veritape.observer.agreement import NOTHING, BatchLine
from veritape.observer.audit import Status
from veritape.observer.axis import Totals

QUANTITIES: Final = Totals._fields
"""In which a line closes."""

NOT_AGAIN: Final = "causes, watched spans, duplicates and the number of trades behind a line's last record are as they were stated then"
"""What the kept files cannot show."""


def proven_again(
    stated: Mapping[str, Any], batch: Mapping[str, BatchLine], codes: Iterable[str] | None = None
) -> dict[str, Any]:
    """Return the statement of a day with every line held against its files: one that differs is contradicted.

    Args:
        stated: the audit document, made from the journal.
        batch: what the files give.
        codes: symbols to report; all when None.
    """
    chosen = None if codes is None else set(codes)
    lines = [
        _judged(line, unlike(line, batch.get(line["code"], NOTHING)))
        for line in stated["lines"]
        if chosen is None or line["code"] in chosen
    ]
    unstated = sorted(batch.keys() - {line["code"] for line in stated["lines"]})
    return {
        **stated,
        "lines": lines,
        "closed": bool(lines) and not unstated and all(closes(line) for line in lines),
        "totals": {
            part: {name: sum(line[part][name] for line in lines) for name in QUANTITIES}
            for part in ("recorded", "backfilled", "residual")
        },
        "observations": [one for one in stated["observations"] if chosen is None or one["code"] in chosen],
    }


def unlike(line: Mapping[str, Any], batch: BatchLine) -> list[str]:
    """Return what a stated line and its files say differently, in words; nothing when they agree."""
    parts = {"recorded": batch.recorded, "backfilled": batch.backfilled}
    found = [
        f"{part} {name}: stated are {line[part][name]:,}, the files have {value:,}"
        for part, totals in parts.items()
        for name, value in zip(QUANTITIES, totals, strict=True)
        if line[part][name] != value and (part, name) != ("backfilled", "trades")
    ]
    stated = Counter((gap["left"]["chain_shares"], gap["right"]["chain_shares"]) for gap in line["gaps"])
    theirs = Counter((hole.left, hole.right) for hole in batch.holes)
    found += [f"only the statement has a hole {_words(hole)}" for hole in (stated - theirs).elements()]
    return found + [f"only the files have a hole {_words(hole)}" for hole in (theirs - stated).elements()]


def closes(line: Mapping[str, Any]) -> bool:
    """Tell whether a stated line adds up to its end (OB-606)."""
    anchor = line["anchor"]
    if anchor is None:
        return False
    sums = {
        name: sum(line[part][name] for part in ("recorded", "backfilled", "residual")) for name in QUANTITIES
    }
    return all(anchor[name] in {None, sums[name]} for name in QUANTITIES)


def _judged(line: Mapping[str, Any], differences: list[str]) -> dict[str, Any]:
    if not differences:
        return dict(line)
    return {**line, "status": Status.CONTRADICTED.value, "differences": differences}


def _words(hole: tuple[int, int]) -> str:
    return f"from {hole[0]:,} to {hole[1]:,} shares"
