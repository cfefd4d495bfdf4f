"""Minute bars as evidence of what is missing: they describe a residual and never reduce it (KIS-063 to 065, OB-706).

A bar holds the shares of a minute. What it has more than the recorded and fetched trades of that minute is missing in it,
with the minute's prices; what it has less contradicts the tape. Whether a label marks the minute's begin or its end is
not documented: the day's first bar tells.

Two traps that the vendor states: a time in the future is answered with invented rows, and the running minute's row may
show the minute before. So only minutes that are over are asked for, and rows later than asked are dropped.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from veritape.observer.backfill import Filling
from veritape.observer.quotes import number, rows_of
from veritape.observer.reactions import Answer, AnswerReason
from veritape.wire.kis.rest import Call

MINUTE_S: Final = 60
"""Seconds of a bar."""

OVER_S: Final = 5
"""Seconds after a minute's end at which its bar is believed (KIS-064)."""

CALLS: Final = 40
"""Calls for one code's day after which the walk ends: 14 of 30 rows cover a session."""

_DATE: Final = re.compile(r"[0-9]{8}")
_LABEL: Final = re.compile(r"(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]")


class Bar(NamedTuple):
    """One minute of one code."""

    label_s: int
    """Second of the day that the broker labels it with."""
    open: int
    """Won."""
    high: int
    low: int
    close: int
    shares: int
    """Shares in the minute."""
    chain_value: int
    """Won of the day so far."""


class Described(NamedTuple):
    """What bars say of a line."""

    shares: tuple[int, ...]
    """Missing shares of each hole that lie in minutes whose bar has them."""
    contradictions: tuple[int, ...]
    """Minutes (their first second) whose bar has fewer shares than were recorded and fetched."""


def bars_of(answer: Answer, day: str, asked_s: int) -> list[Bar] | AnswerReason:
    """Return the bars of an answer, newest first, without those of other days or later than asked; or why not."""
    if "output2" not in answer.document:
        return AnswerReason.MISSING_OUTPUT
    bars = []
    for row in rows_of(answer.document["output2"]):
        date, label = row.get("stck_bsop_date"), row.get("stck_cntg_hour")
        if not isinstance(date, str) or not _DATE.fullmatch(date):
            return AnswerReason.BAD_NUMBER
        if not isinstance(label, str) or not _LABEL.fullmatch(label):
            return AnswerReason.BAD_NUMBER
        numbers = [number(row.get(name)) for name in FIELDS]
        if any(value is None or value < 0 for value in numbers):
            return AnswerReason.BAD_NUMBER
        second = int(label[:2]) * 3600 + int(label[2:4]) * 60 + int(label[4:])
        if date == day and second <= asked_s:
            bars.append(Bar(second, *(value or 0 for value in numbers)))
    return bars


FIELDS: Final = ("stck_oprc", "stck_hgpr", "stck_lwpr", "stck_prpr", "cntg_vol", "acml_tr_pbmn")
"""Fields of a row in the order of ``Bar``."""


@dataclass
class BarWalk:
    """One code's bars, fetched downwards (KIS-065)."""

    call: Call
    """Today's call or the one for past days: they differ in the rows of a page."""
    first_s: int
    """First second that is of interest."""
    cursor_s: int
    """Label that the next call asks for."""
    bars: dict[int, Bar] = field(default_factory=dict)
    """Label -> bar."""
    calls: int = 0
    _exhausted: bool = False

    @property
    def over(self) -> bool:
        """Tell whether no further call helps."""
        return self._exhausted or self.calls >= CALLS or self.cursor_s < self.first_s

    def receive(self, page: Sequence[Bar]) -> None:
        """Take a page, newest first: the next call asks for the oldest label minus one minute."""
        self.calls += 1
        self.bars.update({bar.label_s: bar for bar in page})
        if not page:
            self._exhausted = True
            return
        self.cursor_s = min(self.cursor_s, page[-1].label_s) - MINUTE_S


def last_minute_over(now_s: int) -> int:
    """Return the newest label that may be asked for, whether labels mark begins or ends (KIS-064)."""
    return (now_s - OVER_S) // MINUTE_S * MINUTE_S - MINUTE_S


def by_minute(bars: Mapping[int, Bar], first_trade_s: int) -> dict[int, Bar]:
    """Return the bars by the first second of their minute.

    Args:
        bars: by label.
        first_trade_s: second of the day's first trade: the first bar is its minute's.
    """
    if not bars:
        return {}
    marks_end = min(bars) // MINUTE_S == first_trade_s // MINUTE_S + 1
    shift = MINUTE_S if marks_end else 0
    return {label // MINUTE_S * MINUTE_S - shift: bar for label, bar in bars.items()}


def describe(
    fillings: Sequence[Filling], bars: Mapping[int, Bar], recorded_shares: Mapping[int, int]
) -> Described:
    """Compare bars with what is known, minute by minute.

    Args:
        fillings: the line's holes by rising shares.
        bars: by the first second of their minute.
        recorded_shares: first second of a minute -> recorded shares in it.
    """
    known = dict(recorded_shares)
    for row in (row for filling in fillings for row in filling.rows):
        minute = row.event_s // MINUTE_S * MINUTE_S
        known[minute] = known.get(minute, 0) + row.shares
    described, contradictions = [0] * len(fillings), []
    for minute, bar in sorted(bars.items()):
        missing = bar.shares - known.get(minute, 0)
        if missing < 0:
            contradictions.append(minute)
        for index, filling in enumerate(fillings):
            left_s, right_s = filling.hole.left.event_s, filling.hole.right.event_s
            if missing > 0 and left_s < minute + MINUTE_S and right_s >= minute:
                taken = min(missing, filling.shares_left - described[index])
                described[index] += taken
                missing -= taken
    return Described(tuple(described), tuple(contradictions))
