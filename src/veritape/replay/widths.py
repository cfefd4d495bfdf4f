"""How many fields a record has, per stream and time of the tape (OB-804, KIS-122).

``--wire trade=46,book=59@10:00:00``: a width that some streams know is theirs from that time on, an unknown one is
everybody's, so that a client's quarantine can be tested with any number.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from veritape.kernel.errors import MisuseError
from veritape.replay.schedule import parse_clock
from veritape.wire.kis.frames import BOOK_STREAMS, KNOWN_WIDTHS, PRESENT_WIDTHS, TRADE_STREAMS

GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"trade": TRADE_STREAMS, "book": BOOK_STREAMS}
)
"""Word of the option -> transaction ids."""

LARGEST_WIDTH: Final = 999
"""Widest record that is made; the wire knows 66."""


@dataclass(frozen=True)
class Change:
    """From a time on, a stream's records have so many fields."""

    from_ms: int
    """Tape time."""
    tr_id: str
    """Transaction id."""
    width: int
    """Fields of a record."""


class Widths:
    """Fields per record over the day."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self._changes: dict[str, list[Change]] = {}
        for change in sorted(changes, key=lambda change: change.from_ms):
            self._changes.setdefault(change.tr_id, []).append(change)

    def of(self, tr_id: str, tape_ms: int) -> int:
        """Return the fields of a stream's record at a tape time."""
        width = PRESENT_WIDTHS[tr_id]
        for change in self._changes.get(tr_id, ()):
            if change.from_ms <= tape_ms:
                width = change.width
        return width

    def document(self) -> dict[str, list[list[int]]]:
        """Return the changes for the truth file: transaction id -> [[tape ms, width]]."""
        return {
            tr_id: [[one.from_ms, one.width] for one in changes] for tr_id, changes in self._changes.items()
        }


def parse_widths(options: Iterable[str]) -> Widths:
    """Read ``trade=W,book=W@HH:MM:SS`` options; a part and the time may be left out.

    Raises:
        MisuseError: another word, no width of 1 to 999, a bad time.
    """
    return Widths(change for option in options for change in _changes(option))


def _changes(option: str) -> Iterable[Change]:
    parts, has_time, time = option.partition("@")
    from_ms = parse_clock(time) if has_time else 0
    for part in parts.split(","):
        match = re.fullmatch(r"(trade|book)=([1-9][0-9]{0,2})", part)
        if match is None:
            raise MisuseError(
                f"--wire {option}: expected trade=W, book=W or both with a comma, W from 1 to {LARGEST_WIDTH}; "
                "@HH:MM:SS says from when on"
            )
        group, width = GROUPS[match[1]], int(match[2])
        knowing = [tr_id for tr_id in group if width in KNOWN_WIDTHS[tr_id]]
        yield from (Change(from_ms, tr_id, width) for tr_id in knowing or group)
