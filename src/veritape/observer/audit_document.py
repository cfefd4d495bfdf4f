"""The audit's JSON document as types: what a reader may rely on, and the schema that ships (OB-678).

``docs/formats/audit.schema.json`` is made from these by ``schema``; a test keeps it current and validates real audits.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from veritape.kernel.canonical import canonical_json, parse_canonical_json
from veritape.observer.audit import FORMAT, Status
from veritape.observer.gaps import Cause, State
from veritape.observer.outages import Scope
from veritape.observer.severity import Anomaly, Severity

Count = Annotated[int, Field(ge=0)]
"""Trades, shares or won."""

Second = Annotated[int, Field(ge=0, lt=86_400)]
"""Venue second of the day."""

DATE: Final = r"^[0-9]{8}$"
"""YYYYMMDD."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class Totals(_Part):
    """T: the three quantities in which a line closes."""

    trades: int
    """Counted trades."""
    shares: int
    """Shares."""
    value_krw: int
    """Won; below 0 only where an anchor contradicts the line."""


class Range(_Part):
    """A number of trades that is known, or lies between two."""

    min: Count
    """At least."""
    max: Count
    """At most."""


class Place(_Part):
    """One edge of a gap."""

    chain_shares: Count
    """Shares of the day up to here."""
    event_s: Second
    """Venue time."""


class Gap(_Part):
    """A hole with its cause (OB-672)."""

    id: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    """The same for the same hole."""
    parent: str | None
    """Gap of the connection or process that it belongs to."""
    venue: str
    """Venue."""
    code: str | None
    """Symbol; null for a gap that is not a line's."""
    day: Annotated[str, Field(pattern=DATE)]
    """Business date."""
    scope: Annotated[Scope, Field(strict=False)]
    """What was not watched."""
    cause: Annotated[Cause, Field(strict=False)]
    """Why."""
    levels: list[Literal["a", "b", "c", "d", "e", "f", "g"]]
    """Levels of evidence (OB-641)."""
    opened_ns: Count
    """Wall clock at which it was found."""
    closed_ns: Count | None
    """Wall clock at which it ended; null while it is open."""
    left: Place
    """Last record before it."""
    right: Place | None
    """First record behind it."""
    trades: Range
    """Missing trades."""
    sells: Count
    """Seller-initiated ones."""
    buys: Count
    """Buyer-initiated ones."""
    shares: Count
    """Missing shares."""
    value_krw: int
    """Missing won; below 0 only where an anchor contradicts the line."""
    average_price: Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]{4}$")]
    """Won a share, four places."""
    backfilled: Totals
    """Fetched since."""
    residual: Totals
    """Still missing."""
    described_by_bars_shares: Count
    """Missing shares that minute bars describe."""
    duration_s: Count
    """Venue seconds between its edges."""
    severity: Annotated[Severity, Field(strict=False)]
    """How much it matters (OB-674)."""
    state: Annotated[State, Field(strict=False)]
    """Where it is in its life (OB-671)."""


class Anchor(_Part):
    """The end of a line, from the broker's sweeps."""

    shares: Count
    """Shares of the day."""
    value_krw: Count
    """Won of the day."""
    trades: Count | None
    """Trades of the day; null while only a range is known."""
    taken_ns: Count
    """Wall clock of the answer."""


class Residual(Totals):
    """What is missing, by cause."""

    by_cause: dict[str, Totals]
    """Cause -> its part."""
    described_by_bars_shares: Count
    """Missing shares that minute bars describe."""


class Line(_Part):
    """One symbol's statement."""

    code: str
    """Symbol."""
    status: Annotated[Status, Field(strict=False)]
    """What can be said of it (OB-614)."""
    severity: Annotated[Severity, Field(strict=False)]
    """The worst of its gaps and of its residual at the day's end (OB-674)."""
    epochs: Annotated[int, Field(ge=1)]
    """Chain epochs."""
    anchor: Anchor | None
    """Its end; null without one."""
    recorded: Totals
    """Sum of the recorded trades."""
    backfilled: Totals
    """Sum of the fetched trades."""
    residual: Residual
    """Sum of the holes."""
    duplicates: Count
    """Records that were known."""
    late: Count
    """Records that fell into a hole."""
    contradictions: Count
    """Problems of any kind."""
    differences: list[str]
    """What the second ledger says differently (OB-681)."""
    trades_exact: bool
    """Whether every trade count is a number and not a range."""
    watched: list[Annotated[list[Count], Field(min_length=2, max_length=2)]]
    """Spans [from_s, to_s] in which it was registered."""
    gaps: list[Gap]
    """Its holes."""


class Sweeps(_Part):
    """The day's sweeps."""

    cycles: Count
    """Cycles of the grid."""
    expected: Count
    """Quotes asked for."""
    received: Count
    """Quotes that came."""
    missing: Count
    """Quotes that did not."""


class Observation(_Part):
    """A line's evidence for the theory (OB-609)."""

    code: str
    """Symbol."""
    joined_pairs: Count
    """Pairs without a hole."""
    holes: Count
    """Pairs with one."""
    uncounted: Count
    """Recorded trades that did not move the counts."""
    problems: dict[str, Count]
    """Problem -> how often."""
    quiet_10_60_300_s: Annotated[list[Count], Field(min_length=3, max_length=3)] | None
    """Pauses between trades above 10, 60 and 300 s, which say nothing of loss (OB-643); null before the day is sealed."""


class Sums(_Part):
    """All lines together."""

    recorded: Totals
    """Recorded trades."""
    backfilled: Totals
    """Fetched trades."""
    residual: Totals
    """Missing trades."""


class Audit(_Part):
    """The whole document."""

    format: Literal["veritape.audit.v1"]
    """Name of this format."""
    day: Annotated[str, Field(pattern=DATE)]
    """Business date."""
    venue: str
    """Venue."""
    generated_ns: Count
    """Wall clock."""
    closed: bool
    """Whether every line closes."""
    totals: Sums
    """All lines together."""
    lines: list[Line]
    """One a symbol, by code."""
    gaps: list[Gap]
    """Gaps of the connection, the process and the sweeps: no line's own."""
    anomalies: list[Annotated[Anomaly, Field(strict=False)]]
    """Why the day is not like others (OB-676); empty for a day like any other."""
    sweeps: Sweeps
    """The day's sweeps."""
    observations: list[Observation]
    """One a symbol."""


def schema() -> bytes:
    """Return the JSON Schema that ships, canonical JSON and a line feed."""
    document = Audit.model_json_schema()
    return canonical_json({"$id": FORMAT, "$schema": DIALECT, **document}) + b"\n"


def read(data: bytes) -> Audit:
    """Read a document.

    Raises:
        ValueError: it is none, or not canonical JSON.
    """
    return Audit.model_validate(parse_canonical_json(data))


DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
"""The dialect that the schema is written in."""
