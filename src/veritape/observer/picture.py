"""The day as a picture: a row a line, a column a minute, what is known of each (OB-679).

Made from the audit document and the recorded shares a minute, nothing else, so the same audit gives the same bytes. The
colours are Okabe and Ito's, which people with any colour vision tell apart. No script, no outside reference.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import escape

from veritape.observer.audit_text import clock_text

CELL_WIDTH, CELL_HEIGHT = 3, 14
"""Pixels of one minute of one line."""

LEFT, TOP, RIGHT, BOTTOM = 88, 56, 24, 44
"""Pixels around the cells: labels, title and time axis, margin, legend."""

LEGEND_STEP: Final = 120
"""Pixels between two entries of the legend."""

SETTLE_S: Final = 180
"""Seconds after the close in which late prints still come."""

AXIS_MINUTES: Final = 30
"""Minutes between two labels of the time axis."""


class Cell(StrEnum):
    """What is known of a minute of a line, best first: the value is the legend's word."""

    COMPLETE = "complete"
    """Trades, and none missing."""
    QUIET = "proven quiet"
    """No trade, and none missing."""
    NOT_WATCHED = "not watched"
    """The code was not registered, or nobody listened."""
    BACKFILLED = "backfilled"
    """What was missing was fetched."""
    RESIDUAL = "residual"
    """Trades are missing."""
    CONTRADICTED = "contradicted"
    """The counters disagree."""
    NO_SESSION = "no session"
    """The market was not open, or has not been yet."""


COLOURS: Final[Mapping[Cell, str]] = {
    Cell.COMPLETE: "#009E73",
    Cell.QUIET: "#DFF2EA",
    Cell.BACKFILLED: "#56B4E9",
    Cell.RESIDUAL: "#D55E00",
    Cell.NOT_WATCHED: "#BDBDBD",
    Cell.CONTRADICTED: "#000000",
    Cell.NO_SESSION: "#FFFFFF",
}
"""Okabe-Ito, in the order of the legend."""


class Span(NamedTuple):
    """The columns of the picture."""

    open_s: int
    """First second of the first minute."""
    close_s: int
    """The session's close; late prints have columns behind it."""
    until_s: int
    """Second up to which the market has come: the end of an unfinished day."""

    @property
    def minutes(self) -> range:
        """Return the first second of each minute."""
        return range(self.open_s // 60 * 60, self.close_s + SETTLE_S, 60)


def svg(audit: Mapping[str, Any], minute_shares: Mapping[str, Mapping[int, int]], span: Span) -> bytes:
    """Return the picture.

    Args:
        audit: its document.
        minute_shares: code -> first second of a minute -> recorded shares.
        span: the session.
    """
    lines = sorted(audit["lines"], key=lambda line: line["code"])
    width = LEFT + max(CELL_WIDTH * len(span.minutes), LEGEND_STEP * len(COLOURS)) + RIGHT
    height = TOP + CELL_HEIGHT * len(lines) + BOTTOM
    title = f"Completeness of {audit['venue']} on {audit['day']}: {len(lines)} lines"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#FFFFFF"/>',
        f'<text x="{LEFT}" y="20" font-size="14" fill="#000000">{escape(title)}</text>',
        *_axis(span, TOP + CELL_HEIGHT * len(lines)),
    ]
    for row, line in enumerate(lines):
        parts += _row(line, minute_shares.get(line["code"], {}), span, TOP + row * CELL_HEIGHT)
    return "\n".join([*parts, *_legend(height - 18), "</svg>", ""]).encode()


def cells(line: Mapping[str, Any], shares: Mapping[int, int], span: Span) -> list[Cell]:
    """Return what is known of each minute of a line."""
    holes = [(_minutes_of(gap, span), gap["state"]) for gap in line["gaps"]]
    return [
        _cell(line, minute, shares.get(minute, 0), _worst(holes, minute), span) for minute in span.minutes
    ]


def _cell(line: Mapping[str, Any], minute: int, shares: int, hole: str | None, span: Span) -> Cell:
    watched = any(start < minute + 60 and end > minute for start, end in line["watched"])
    if hole == "contradicted" or (line["status"] == "contradicted" and not line["gaps"]):
        return Cell.CONTRADICTED
    if minute >= span.until_s or (minute >= span.close_s and not shares and hole is None):
        return Cell.NO_SESSION
    if hole == "filled":
        return Cell.BACKFILLED
    if not watched and not shares and minute < span.close_s:
        return Cell.NOT_WATCHED
    if hole is not None:
        return Cell.RESIDUAL
    return Cell.COMPLETE if shares else Cell.QUIET


def _minutes_of(gap: Mapping[str, Any], span: Span) -> tuple[int, int]:
    """Return the first and last minute of a hole; a tail ends with the session."""
    last_s = min(gap["right"]["event_s"], span.minutes[-1])
    return gap["left"]["event_s"] // 60 * 60, last_s // 60 * 60


def _worst(holes: Sequence[tuple[tuple[int, int], str]], minute: int) -> str | None:
    states = {state for (first, last), state in holes if first <= minute <= last}
    for state in ("contradicted", "residual", "open", "suspected", "filled"):
        if state in states:
            return state
    return None


def _row(line: Mapping[str, Any], shares: Mapping[int, int], span: Span, y: int) -> list[str]:
    label = (
        f'<text x="{LEFT - 8}" y="{y + 11}" text-anchor="end" fill="#000000">{escape(line["code"])}</text>'
    )
    parts = [label]
    for column, (minute, cell) in enumerate(zip(span.minutes, cells(line, shares, span), strict=True)):
        words = f"{line['code']} {clock_text(minute)[:5]}: {cell.value}, {shares.get(minute, 0):,} shares recorded"
        parts.append(
            f'<rect x="{LEFT + column * CELL_WIDTH}" y="{y}" width="{CELL_WIDTH}" height="{CELL_HEIGHT - 1}"'
            f' fill="{COLOURS[cell]}"><title>{escape(words)}</title></rect>'
        )
    return parts


def _axis(span: Span, bottom: int) -> list[str]:
    parts = []
    for column, minute in enumerate(span.minutes):
        if minute // 60 % AXIS_MINUTES == 0:
            x = LEFT + column * CELL_WIDTH
            parts += [
                f'<line x1="{x}" y1="{TOP - 6}" x2="{x}" y2="{bottom}" stroke="#BDBDBD"/>',
                f'<text x="{x}" y="{TOP - 10}" text-anchor="middle" fill="#000000">{clock_text(minute)[:5]}</text>',
            ]
    return parts


def _legend(y: int) -> list[str]:
    parts = []
    for number, (cell, colour) in enumerate(COLOURS.items()):
        x = LEFT + number * LEGEND_STEP
        parts += [
            f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}" stroke="#000000" stroke-width="0.5"/>',
            f'<text x="{x + 18}" y="{y}" fill="#000000">{cell.value}</text>',
        ]
    return parts
