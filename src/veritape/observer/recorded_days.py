"""What the recorder remembers of one business day: ledgers, watched spans, anchors, rows that wait for their segment."""

from dataclasses import dataclass, field
from typing import NamedTuple

from veritape.observer.backfill import Fetched
from veritape.observer.bars import Bar
from veritape.observer.books import BookDay
from veritape.observer.clock_steps import CERTAIN, Margin
from veritape.observer.completeness import Line
from veritape.observer.gap_life import GapLife
from veritape.observer.gaps import Cause, Event, Watch
from veritape.observer.outages import Outages
from veritape.observer.rows import TradeRows


class Anchor(NamedTuple):
    """The end of a line, from the broker's sweeps after the close (OB-611)."""

    chain_shares: int
    chain_value: int
    taken_ns: int
    """Wall clock of the answer."""
    agreed: bool
    """Whether two sweeps in a row said the same."""


class CodeFacts(NamedTuple):
    """What the master file said of a code that day."""

    reference_price: int
    """Won."""
    previous_shares: int
    """Yesterday's volume."""


@dataclass
class Day:
    """Everything about one business day."""

    day: str
    """YYYYMMDD."""
    open_s: int = 9 * 3600
    """Open, seconds since midnight in Seoul."""
    close_s: int = 15 * 3600 + 1800
    """Close."""
    closed_ns: int | None = None
    """Wall clock at which the recorder finished the day; None while it lasts."""
    lines: dict[str, Line] = field(default_factory=dict)
    """Code -> ledger."""
    facts: dict[str, CodeFacts] = field(default_factory=dict)
    """Code -> master file."""
    watches: dict[str, list[Watch]] = field(default_factory=dict)
    """Code -> spans in which it was registered."""
    refusals: dict[str, list[int]] = field(default_factory=dict)
    """Code -> venue seconds at which its registration was refused."""
    quarantined: list[Event] = field(default_factory=list)
    """Frames that arrived and could not be read."""
    anchors: dict[str, Anchor] = field(default_factory=dict)
    """Code -> end anchor."""
    tails: dict[str, int] = field(default_factory=dict)
    """Code -> trades that tile its tail."""
    outages: Outages = field(default_factory=Outages)
    """Spans in which nobody watched."""
    life: GapLife = field(default_factory=GapLife)
    """Gaps that were told of."""
    fetched: dict[str, list[Fetched]] = field(default_factory=dict)
    """Code -> trades fetched after they were missed, from ``backfill/trades``."""
    bars: dict[str, dict[int, Bar]] = field(default_factory=dict)
    """Code -> label -> minute bar, from ``backfill/bars``."""
    rows: dict[int, TradeRows] = field(default_factory=dict)
    """Hour -> trades that wait for their segment."""
    books: BookDay = field(default_factory=BookDay)
    """Order books that wait for theirs."""

    @property
    def closed(self) -> bool:
        """Whether the recorder has finished the day."""
        return self.closed_ns is not None

    def line(self, code: str) -> Line:
        """Return a code's ledger, opened when it is new."""
        if code not in self.lines:
            facts = self.facts.get(code)
            self.lines[code] = Line(code, self.day, facts.reference_price if facts else 0)
        return self.lines[code]

    def widen(self, added: Margin) -> None:
        """Take into account that the clock was set: nothing was surely watched in a second that may have been another."""
        if added == CERTAIN:
            return
        earlier_s, later_s = added
        for watches in self.watches.values():
            watches[:] = [
                Watch(one.start_s + later_s, None if one.end_s is None else one.end_s - earlier_s, one.cause)
                for one in watches
            ]
        for code, seconds in self.refusals.items():
            self.refusals[code] = [second - earlier_s for second in seconds]
        self.quarantined = [
            Event(one.start_s - earlier_s, one.end_s + later_s, one.cause) for one in self.quarantined
        ]
        self.outages.widen(added)

    def opened_watch(self, code: str, event_s: int) -> None:
        """Begin a span in which a code is watched; one that is open ends."""
        self.line(code)
        self.closed_watch(code, event_s, Cause.NOT_WATCHED)
        self.watches.setdefault(code, []).append(Watch(event_s, None, None))

    def closed_watch(self, code: str, event_s: int, cause: Cause) -> None:
        """End a code's span, if one is open."""
        watches = self.watches.get(code, [])
        if watches and watches[-1].end_s is None:
            watches[-1] = Watch(watches[-1].start_s, event_s, cause)
