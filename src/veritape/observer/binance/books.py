"""The chain of book changes of one symbol: whether a book built from them is right, and since when (OB-903).

Each change names its first and last update id, U and u, and U is the u before plus one. While that holds, and once a
snapshot of the venue lies inside the chain (U <= lastUpdateId + 1 <= u of some change), the book is the venue's. A break
makes it invalid until another snapshot lies inside the chain that began after it. Trades have a chain of their own and go on.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from veritape.observer.binance.messages import DepthUpdate


class Validity(NamedTuple):
    """A span in which the book is known."""

    start_us: int
    """Venue time of the change from which it holds."""
    end_us: int
    """Venue time of the newest change."""


@dataclass
class Book:
    """What is known of one symbol's book chain."""

    updates: int = 0
    """Changes taken."""
    breaks: int = 0
    """Times that U was not the u before plus one."""
    missing_ids: int = 0
    """Update ids that the breaks left out."""
    repeated: int = 0
    """Changes that were known."""
    snapshots: int = 0
    """Snapshots that lay inside the chain."""
    stale_snapshots: int = 0
    """Snapshots from before the chain began."""
    valid: list[Validity] = field(default_factory=list)
    """Spans in which the book is known; the last one lasts while ``is_valid``."""
    is_valid: bool = False
    """Whether the book is known now."""
    _first_id: int | None = None
    _last_id: int | None = None
    _last_us: int = 0
    _pending: int | None = None

    @property
    def wants_snapshot(self) -> bool:
        """Tell whether only a snapshot can make the book valid: a chain is under way and none is waiting for it."""
        return self._first_id is not None and not self.is_valid and self._pending is None

    def changed(self, update: DepthUpdate) -> bool:
        """Take a change; False when it broke the chain."""
        if self._last_id is not None and update.last_id <= self._last_id:
            self.repeated += 1
            return True
        joined = self._last_id is None or update.first_id == self._last_id + 1
        if not joined and self._last_id is not None:
            self.breaks += 1
            self.missing_ids += max(0, update.first_id - self._last_id - 1)
            self._first_id, self.is_valid = None, False
        if self._first_id is None:
            self._first_id = update.first_id
        self._last_id, self._last_us = update.last_id, update.sent_us
        self.updates += 1
        if self.is_valid:
            self.valid[-1] = self.valid[-1]._replace(end_us=update.sent_us)
        elif self._pending is not None:
            self.snapshot(self._pending)
        return joined

    def snapshot(self, last_update_id: int) -> None:
        """Take a snapshot: it makes the book valid, waits for the next change, or is too old."""
        following = last_update_id + 1
        self._pending = None
        if self.is_valid or self._first_id is None or self._last_id is None:
            return
        if following < self._first_id:
            self.stale_snapshots += 1
        elif following > self._last_id:
            self._pending = last_update_id
        else:
            self.snapshots += 1
            self.is_valid = True
            self.valid.append(Validity(self._last_us, self._last_us))

    def forget_before(self, moment_us: int) -> None:
        """Drop the spans that ended before a moment."""
        self.valid = [span for span in self.valid[:-1] if span.end_us >= moment_us] + self.valid[-1:]
