"""Gaps: why a hole is there, and its name (OB-671 to 673).

A hole is arithmetic; why it is there is evidence of another kind: when the code was watched, which frames were
quarantined. Of the events that overlap a hole's span the one that began last is the cause, else the frame was lost on
its way.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from blake3 import blake3

from veritape.observer.axis import Hole

DAY_SECONDS: Final = 86_400
"""Later than any second of a day."""

PLACES: Final = Decimal("0.0001")
"""Decimals of an average price."""


class Cause(StrEnum):
    """Why something is missing (OB-673)."""

    FRAME_LOST = "frame_lost"
    """Watched and connected: the frame did not arrive."""
    FRAME_QUARANTINED = "frame_quarantined"
    """A frame arrived and could not be read; its raw bytes are kept."""
    WS_DISCONNECT = "ws_disconnect"
    """The connection was down."""
    WS_SILENT = "ws_silent"
    """The connection was closed because nothing came."""
    PROCESS_DOWN = "process_down"
    """The recorder was not running."""
    STORAGE_FAILED = "storage_failed"
    """The disk refused."""
    NOT_WATCHED = "not_watched"
    """Before a subscription, after a release or eviction."""
    SUBSCRIPTION_REFUSED = "subscription_refused"
    """The broker refused the code."""
    SWEEP_MISSED = "sweep_missed"
    """A sweep did not bring the code."""
    OPERATOR_STOP = "operator_stop"
    """The recorder was stopped by hand."""


class State(StrEnum):
    """Where a gap is in its life (OB-671)."""

    SUSPECTED = "suspected"
    """A sweep is ahead of the line; the next record, quote or anchor settles it."""
    OPEN = "open"
    """Trades are missing and may still come."""
    FILLED = "filled"
    """Every missing trade came late or was fetched."""
    RESIDUAL = "residual"
    """The day is over and they did not come."""
    CLEARED = "cleared"
    """The suspicion was false."""
    CONTRADICTED = "contradicted"
    """The counters disagree."""


class Event(NamedTuple):
    """A span that may explain a hole."""

    start_s: int
    """Venue second at which it began."""
    end_s: int
    """Second at which it ended."""
    cause: Cause
    """What it explains."""


class Watch(NamedTuple):
    """A span in which a code was watched."""

    start_s: int
    """First second."""
    end_s: int | None
    """Last second; None while it lasts."""
    cause: Cause | None
    """Why it ended; None while it lasts."""


def unwatched(watches: Iterable[Watch]) -> list[Event]:
    """Return the spans between the watches, each with the cause of the end before it."""
    events, start_s, cause = [], 0, Cause.NOT_WATCHED
    for watch in watches:
        events.append(Event(start_s, watch.start_s, cause))
        start_s, cause = (
            watch.end_s if watch.end_s is not None else DAY_SECONDS,
            watch.cause or Cause.NOT_WATCHED,
        )
    return [*events, Event(start_s, DAY_SECONDS, cause)]


def refused(refusals: Iterable[int], watches: Iterable[Watch]) -> list[Event]:
    """Return the spans from a refused registration to the next watch, or to the day's end.

    Args:
        refusals: venue seconds at which the broker refused.
        watches: of the same code.
    """
    starts = sorted(watch.start_s for watch in watches)
    return [
        Event(
            second,
            next((start for start in starts if start > second), DAY_SECONDS),
            Cause.SUBSCRIPTION_REFUSED,
        )
        for second in refusals
    ]


def cause_of(hole: Hole, events: Iterable[Event]) -> Cause:
    """Return the cause of a hole: the overlapping event with the latest start, else a lost frame (OB-673)."""
    left_s, right_s = hole.left.event_s, hole.right.event_s
    overlapping = [event for event in events if event.start_s <= right_s and event.end_s >= left_s]
    return max(overlapping).cause if overlapping else Cause.FRAME_LOST


def average_price(hole: Hole) -> str:
    """Return the average price of the missing shares, four places; 0 where none are."""
    _, shares, value = hole.totals
    return str((Decimal(value) / (shares or 1)).quantize(PLACES, ROUND_HALF_UP))


def gap_id(venue: str, code: str, day: str, left_shares: int) -> str:
    """Return a gap's name: the same for the same hole, however often it is looked at."""
    return blake3(f"{venue}|{code}|{day}|{left_shares}".encode()).hexdigest()[:16]
