"""What the trigger engine is told, as notes of the journal (OB-306).

The engine is a function of these and of nothing else, so its decisions can be computed again from the journal. Every input
has ``input`` (its kind) and ``at_ns``, a time line that is the wall clock of the process's start and advances with the
monotonic clock; fractions stand in millionths. Example, shortened:
``{"at_ns":1381104060000000000,"day":"20131007","input":"ranking","list":"volume","note":"track_b","ranks":[["990003",1]]}``
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from veritape.observer.decisions import Limits
from veritape.observer.quotes import Quote
from veritape.observer.scores import MICRO
from veritape.observer.triggers import Rule, Snapshot, Trigger


class Input(StrEnum):
    """Kinds of inputs."""

    BEGUN = "begun"
    """A day: its hours, its codes with what the universe says of them, the codes wanted last."""
    CONFIGURED = "configured"
    """Settings of a process: rules, limits, the operator's list."""
    SWEEP = "sweep"
    """A sweep of the grid was answered."""
    CONTEXT_SWEEP = "context_sweep"
    """A sweep off the grid, for the day's first choice."""
    CONTEXT = "context"
    """The time of the first choice."""
    RANKING = "ranking"
    """A ranking was answered."""
    VELOCITY = "velocity"
    """Trades of the last ten seconds on the own stream, where they are many."""
    EXPIRY = "expiry"
    """A lifetime ended."""
    REFUSED = "refused"
    """The broker refuses a code."""
    LIMIT = "limit"
    """The broker allows fewer registrations than were tried."""
    CLOSED = "closed"
    """The day is over."""


ROW: Final = Snapshot._fields
"""Fields of a row of a sweep, after the code."""


def begun(
    hours: tuple[int, int],
    interval_s: int,
    cycles: int,
    codes: Mapping[str, tuple[int, int, bool]],
    carried: Sequence[str],
) -> dict[str, Any]:
    """Return the input that begins a day.

    Args:
        hours: open and close, seconds since midnight.
        interval_s: of the grid.
        cycles: sweeps of the day.
        codes: code -> market cap in 100 million won, yesterday's shares, halted.
        carried: codes that were wanted last on the day before, by falling priority.
    """
    listed = {code: [cap, shares, int(halted)] for code, (cap, shares, halted) in codes.items()}
    return {
        "input": Input.BEGUN.value, "open_s": hours[0], "close_s": hours[1], "interval_s": interval_s, "cycles": cycles,
        "codes": listed, "carried": list(carried),
    }  # fmt: skip


def configured(rules: Mapping[Trigger, Rule], limits: Limits, pinned: Sequence[str]) -> dict[str, Any]:
    """Return the input that states what is in force."""
    return {
        "input": Input.CONFIGURED.value,
        "rules": {
            trigger.value: {
                "enabled": int(rule.enabled),
                "threshold_micro": round(rule.threshold * MICRO),
                "weight_micro": round(rule.weight * MICRO),
                "lifetime_s": rule.lifetime_s,
            }
            for trigger, rule in rules.items()
        },
        "limits": dict(vars(limits)),
        "pinned": list(pinned),
    }


def sweep(kind: Input, grid_s: int, quotes: Iterable[Quote]) -> dict[str, Any]:
    """Return the input of a sweep."""
    rows = [[quote.code, *(getattr(quote, name) for name in ROW)] for quote in quotes]
    return {"input": kind.value, "grid_s": grid_s, "rows": rows}


def rules_of(document: Mapping[str, Any]) -> dict[Trigger, Rule]:
    """Return the rules that ``configured`` wrote."""
    return {
        Trigger(name): Rule(
            rule["threshold_micro"] / MICRO,
            rule["weight_micro"] / MICRO,
            rule["lifetime_s"],
            bool(rule["enabled"]),
        )
        for name, rule in document.items()
    }


def rows_of(document: Mapping[str, Any]) -> dict[str, Snapshot]:
    """Return the rows that ``sweep`` wrote, by code."""
    return {row[0]: Snapshot(*row[1:]) for row in document["rows"]}
