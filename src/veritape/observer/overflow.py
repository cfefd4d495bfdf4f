"""The overflow ledger: who was turned away, why, and what that cost (OB-348).

With 41 slots for 2,000 codes the choice is part of the data. An entry opens when a candidate gets no slot and closes when
the code gets one, or at the close; between the two its shares and value on the chain, as sweeps saw them, are what would
have been watched and was not. A code that is turned away again while an entry of it is open opens another; the day's sum
counts such overlapping spans once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

from veritape.observer.triggers import Snapshot


class OverflowReason(StrEnum):
    """Why a candidate got no slot."""

    NO_SLOT = "no_slot"
    """Every slot is pinned."""
    DWELL = "dwell"
    """The weakest slot has not been held long enough, or is held until the day's first choice."""
    HYSTERESIS = "hysteresis"
    """The weakest slot's score is too near."""
    CHURN = "churn"
    """The budget of changes is used up."""
    LIMIT = "limit"
    """The broker allows fewer registrations than were tried."""
    CUT = "cut"
    """More candidates at once than one evaluation takes."""


class Weakest(NamedTuple):
    """The slot that would have been given up."""

    code: str
    score_micro: int


@dataclass(frozen=True)
class Entry:
    """One candidate that was turned away."""

    number: int
    """From 0, in order of the day."""
    at_ns: int
    code: str
    trigger: str
    score_micro: int
    weakest: Weakest | None
    """None when every slot is pinned."""
    reason: OverflowReason
    sweep_shares: int | None
    """Shares of the day at the last sweep before; None before the first."""
    sweep_value_krw: int | None
    """Won of the day then."""
    repeats: bool
    """Whether an entry of the code was open already."""
    until_ns: int | None = None
    """When it got a slot, or the close; None while it is open."""
    shares: int | None = None
    """Traded in between; None while it is open, and when no sweep saw both ends."""
    value_krw: int | None = None

    def row(self, day: str) -> dict[str, Any]:
        """Return the entry as a row of control.db and a line of the export."""
        return {
            "day": day, "number": self.number, "at_ns": self.at_ns, "code": self.code, "trigger": self.trigger,
            "score_micro": self.score_micro, "weakest_code": self.weakest.code if self.weakest else None,
            "weakest_score_micro": self.weakest.score_micro if self.weakest else None, "reason": self.reason.value,
            "sweep_shares": self.sweep_shares, "until_ns": self.until_ns, "shares": self.shares, "value_krw": self.value_krw,
        }  # fmt: skip


@dataclass
class OverflowLedger:
    """A day's entries."""

    entries: list[Entry] = field(default_factory=list)
    """By number."""
    _open: dict[str, list[int]] = field(default_factory=dict)

    def turned_away(
        self,
        at_ns: int,
        code: str,
        best: tuple[str, int],
        weakest: Weakest | None,
        reason: OverflowReason,
        seen: Snapshot | None,
    ) -> Entry:
        """Open an entry.

        Args:
            at_ns: now.
            code: who.
            best: its trigger and score.
            weakest: the slot that it did not get.
            reason: why.
            seen: its row of the last sweep.
        """
        numbers = self._open.setdefault(code, [])
        entry = Entry(
            len(self.entries), at_ns, code, *best, weakest, reason,
            seen.chain_shares if seen else None, seen.chain_value if seen else None, repeats=bool(numbers),
        )  # fmt: skip
        numbers.append(entry.number)
        self.entries.append(entry)
        return entry

    def got_a_slot(self, at_ns: int, code: str, seen: Snapshot | None) -> None:
        """Close a code's entries with what the last sweep saw."""
        for number in self._open.pop(code, ()):
            entry = self.entries[number]
            shares = value_krw = None
            if seen and entry.sweep_shares is not None and entry.sweep_value_krw is not None:
                shares = max(0, seen.chain_shares - entry.sweep_shares)
                value_krw = max(0, seen.chain_value - entry.sweep_value_krw)
            self.entries[number] = replace(entry, until_ns=at_ns, shares=shares, value_krw=value_krw)

    def close(self, at_ns: int, seen: Mapping[str, Snapshot]) -> None:
        """Close every entry at the day's end."""
        for code in list(self._open):
            self.got_a_slot(at_ns, code, seen.get(code))

    def waiting(self) -> Iterator[str]:
        """Yield the codes with an open entry."""
        yield from self._open

    def total(self) -> tuple[int, int]:
        """Return shares and won that would have been watched and were not, each span once."""
        counted = [entry for entry in self.entries if not entry.repeats]
        return sum(e.shares or 0 for e in counted), sum(e.value_krw or 0 for e in counted)
