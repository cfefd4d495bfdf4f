"""Close a line's tail: walk the by-time call down from the end anchor and count the trades (OB-612, OB-702, OB-703).

When the last frames of a day are lost no later record shows their counters. Shares and won follow from the anchor; the
number of trades is exact once the rows of the by-time call tile the hole from its right edge to its left.
"""

from dataclasses import dataclass, field
from typing import Final

from veritape.observer.quotes import TimedTrade

PAGES: Final = 200
"""Calls for one tail after which it stays a range."""


@dataclass
class TailWalk:
    """One hole (left, right] that is being tiled downwards."""

    left_shares: int
    """V of the last record."""
    right_shares: int
    """V of the end anchor."""
    cursor_s: int
    """Second that the next call asks for."""
    reached_shares: int = field(init=False)
    """V down to which the rows tile."""
    trades: int = 0
    """Rows that tile so far."""
    calls: int = 0
    exhausted: bool = False
    """A page brought nothing new: the rest cannot be fetched (KIS-061)."""

    def __post_init__(self) -> None:
        self.reached_shares = self.right_shares

    @property
    def closed(self) -> bool:
        """Tell whether the hole is tiled."""
        return self.reached_shares == self.left_shares

    @property
    def over(self) -> bool:
        """Tell whether no further call helps."""
        return self.closed or self.exhausted or self.calls >= PAGES

    def receive(self, rows: list[TimedTrade]) -> None:
        """Take a page, newest first; a row is accepted only where it continues the tiling inside the hole."""
        self.calls += 1
        before = self.reached_shares
        for row in rows:
            begins = row.chain_shares - row.shares
            if row.chain_shares == self.reached_shares and begins >= self.left_shares and row.shares > 0:
                self.reached_shares = begins
                self.trades += 1
        if not rows or self.closed:
            self.exhausted = not self.closed
            return
        oldest_s = rows[-1].event_s
        if oldest_s == self.cursor_s and self.reached_shares == before:
            self.exhausted = True
        self.cursor_s = oldest_s
