"""Track A: sweeps of the whole universe on a fixed grid (OB-201 to 212).

The grid is computed from the open, never from the end of the cycle before, so it cannot drift. A cycle either answers
for every code or says why not: expected = received + missing, always.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from veritape.observer.quotes import Quote
from veritape.observer.sessions import Hours
from veritape.wire.kis.rest import MULTI_PRICE

ATTEMPTS: Final = 3
"""Attempts of one chunk."""

DEADLINE_S: Final = 60
"""Longest cycle, seconds."""

MARGIN_S: Final = 5
"""A cycle ends this long before the next begins."""

WAITS_MS: Final = (150, 500)
"""Milliseconds before the second and the third attempt."""


ROUND_TRIP_MS: Final = 200
"""Round trip that the plan of a cycle assumes: the slower one of OB-203."""

JITTER_PERCENT: Final = 20
"""Waits between attempts vary by this much, so that refused calls do not come back together."""


class CycleKind(StrEnum):
    """Why a sweep runs."""

    GRID = "grid"
    """The fixed grid."""
    CONTEXT = "context"
    """Off the grid: what the first choice of the day's slots is made from (OB-392)."""
    ANCHOR = "anchor"
    """After the close: the ends of the lines."""


class MissingReason(StrEnum):
    """Why a code is not in a cycle (OB-209)."""

    NO_ANSWER = "no_answer"
    """Every attempt timed out or was answered without JSON."""
    REFUSED = "refused"
    """The broker refused the chunk, or this code alone."""
    NOT_IN_ANSWER = "not_in_answer"
    """The answer has no row for it."""
    MALFORMED = "malformed"
    """Its row has an empty or non-numeric field."""
    DEADLINE = "deadline"
    """The cycle's time was up."""
    OVERLAP = "overlap"
    """The cycle before was still running."""
    PROCESS_DOWN = "process_down"
    """The recorder was not running."""
    NOT_PACED = "not_paced"
    """The cycle's time does not suffice for it at the present pace: it was not asked for."""
    SESSION_CLOSED = "session_closed"
    """The session ended while the cycle was due."""


@dataclass
class Cycle:
    """One sweep."""

    number: int
    """Index on the grid, or of the anchor sweep."""
    kind: CycleKind
    grid_ns: int
    """Wall clock at which it should start."""
    codes: tuple[str, ...]
    """Everything that is asked for."""
    started_ns: int = 0
    ended_ns: int = 0
    calls: int = 0
    attempts: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    """Code of the broker -> how often."""
    quotes: dict[str, tuple[Quote, int, int]] = field(default_factory=dict)
    """Code -> quote, requested and received in microseconds UTC."""
    missing: dict[str, MissingReason] = field(default_factory=dict)

    def received(
        self, codes: Sequence[str], quotes: dict[str, Quote], malformed: set[str], stamps: tuple[int, int]
    ) -> None:
        """Take a chunk's answer; what it does not hold is missing."""
        for code in codes:
            if code in quotes:
                self.quotes[code] = (quotes[code], *stamps)
                self.missing.pop(code, None)
            else:
                self.missing[code] = (
                    MissingReason.MALFORMED if code in malformed else MissingReason.NOT_IN_ANSWER
                )

    def lost(self, codes: Sequence[str], reason: MissingReason) -> None:
        """Note codes that nobody answered for."""
        self.missing.update(dict.fromkeys(codes, reason))

    def manifest(self, universe_blake3: str, parquet_blake3: str) -> dict[str, Any]:
        """Return the cycle's document (OB-208); codes neither answered nor explained missed the deadline."""
        for code in self.codes:
            if code not in self.quotes:
                self.missing.setdefault(code, MissingReason.DEADLINE)
        return {
            "cycle": self.number,
            "kind": self.kind.value,
            "grid_ns": self.grid_ns,
            "started_ns": self.started_ns,
            "ended_ns": self.ended_ns,
            "expected": len(self.codes),
            "received": len(self.quotes),
            "missing": {code: reason.value for code, reason in sorted(self.missing.items())},
            "calls": self.calls,
            "attempts": self.attempts,
            "refusals": self.refusals,
            "universe_blake3": universe_blake3,
            "parquet_blake3": parquet_blake3,
        }


def grid_second(number: int, interval_minutes: int, hours: Hours) -> int:
    """Return the second of the day at which a cycle starts, computed from the open (OB-201)."""
    return hours.open_s + number * interval_minutes * 60


def grid(hours: Hours, interval_minutes: int) -> range:
    """Return the seconds of the day at which cycles start, the close included."""
    return range(hours.open_s, hours.close_s + 1, interval_minutes * 60)


def chunks(codes: Sequence[str], rows: int = MULTI_PRICE.rows) -> Iterator[Sequence[str]]:
    """Yield the codes of each call, in file order."""
    for start in range(0, len(codes), rows):
        yield codes[start : start + rows]


def calls_that_fit(permits: int, seconds: int) -> int:
    """Return how many calls a cycle's time allows at the present pace: N a second and round trip (OB-204)."""
    return permits * seconds * 1000 // (1000 + ROUND_TRIP_MS)


def wait_ms(attempt: int, draw: float) -> int:
    """Return the wait before an attempt, from 1 on; ``draw`` in [0, 1) moves it within the jitter (OB-206)."""
    return round(WAITS_MS[attempt - 1] * (1 + JITTER_PERCENT / 100 * (2 * draw - 1)))


class ChainWatch:
    """Notices that a code's cumulative volume fell between two sweeps of a day (OB-212)."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self.went_back: set[str] = set()
        """Codes that it happened to: no triggers for them that day."""

    def see(self, quote: Quote) -> bool:
        """Take a quote; tell whether its chain is lower than the code's before."""
        before = self._last.get(quote.code, 0)
        self._last[quote.code] = quote.chain_shares
        if quote.chain_shares < before:
            self.went_back.add(quote.code)
        return quote.chain_shares < before


def halves(codes: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Split a chunk that was refused for its content (OB-206)."""
    middle = len(codes) // 2
    return codes[:middle], codes[middle:]


def deadline_s(interval_minutes: int, *, single: bool = False) -> int:
    """Return how long a cycle may take (OB-205); single quotes need the interval (OB-204)."""
    whole_s = interval_minutes * 60 - MARGIN_S
    return whole_s if single else min(whole_s, DEADLINE_S)


def parameters(codes: Sequence[str], market: str = "J") -> dict[str, str]:
    """Return the query of a multi-price call (KIS-053)."""
    query = {}
    for number, code in enumerate(codes, 1):
        query[f"FID_COND_MRKT_DIV_CODE_{number}"] = market
        query[f"FID_INPUT_ISCD_{number}"] = code
    return query
