"""Walk the by-time call downwards through a hole: which second to ask next, and when to stop (OB-702, KIS-061).

The call answers 30 rows at or before a second, newest first. The cursor is whole seconds and inclusive, so a page begins
with rows that were seen, and of a second with more than 30 trades the older ones cannot be reached at all: the walk goes
on at the second before, and what it could not reach stays missing. A page may have a hole of its own (KIS-062).

A tail (OB-612) is a hole whose right edge is the end anchor: its number of trades becomes exact once rows tile it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from veritape.observer.quotes import TimedTrade
from veritape.wire.kis.rest import TRADES_BY_TIME

PAGES: Final = 200
"""Calls for one hole after which the rest stays missing."""


@dataclass
class TailWalk:
    """One interval (left, right] of the volume axis that is being fetched downwards."""

    left_shares: int
    """V of the last record before it."""
    right_shares: int
    """V at its right edge."""
    cursor_s: int
    """Second that the next call asks for."""
    calls: int = 0
    exhausted: bool = False
    """Nothing older can be fetched."""
    _found: dict[int, TimedTrade] = field(default_factory=dict)

    @property
    def rows(self) -> list[TimedTrade]:
        """Return the rows inside the interval, newest first, none twice."""
        return [self._found[end] for end in sorted(self._found, reverse=True)]

    @property
    def reached_shares(self) -> int:
        """Return V down to which the rows tile from the right edge."""
        at = self.right_shares
        for row in self.rows:
            if row.chain_shares == at:
                at -= row.shares
        return at

    @property
    def trades(self) -> int:
        """Return the rows that tile the interval from its right edge."""
        at, trades = self.right_shares, 0
        for row in self.rows:
            if row.chain_shares == at:
                at, trades = at - row.shares, trades + 1
        return trades

    @property
    def closed(self) -> bool:
        """Tell whether the rows tile the interval."""
        return self.reached_shares == self.left_shares

    @property
    def over(self) -> bool:
        """Tell whether no further call helps."""
        return self.exhausted or self.calls >= PAGES or self.closed

    def receive(self, page: list[TimedTrade]) -> None:
        """Take a page, newest first; a row counts once, and only inside what is still missing (OB-703)."""
        self.calls += 1
        self.offer(page)
        if not page or self._is_past(page[-1]):
            self.exhausted = True
        elif page[-1].event_s < self.cursor_s:
            self.cursor_s = page[-1].event_s
        elif len(page) >= TRADES_BY_TIME.rows and self.cursor_s > 0:
            self.cursor_s -= 1
        else:
            self.exhausted = True

    def offer(self, rows: Iterable[TimedTrade]) -> None:
        """Take rows that were fetched for another interval."""
        for row in rows:
            begins = row.chain_shares - row.shares
            if row.shares > 0 and begins >= self.left_shares and row.chain_shares <= self.right_shares:
                self._found.setdefault(row.chain_shares, row)

    def _is_past(self, oldest: TimedTrade) -> bool:
        return oldest.chain_shares - oldest.shares <= self.left_shares
