"""What the executor reads of a recording: the tapes of sealed segments. ``veritape.apps`` joins it with the observer."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import NamedTuple, Protocol

from veritape.executor.receipts import SUFFIX

_NAME = re.compile(r"([a-z0-9]+)\.([A-Z]+)\.(\d{8})\.(\d\d(?:-late-\d+)?)\.([A-Za-z0-9]{1,12})")


class TapeKey(NamedTuple):
    """Names one code's rows of one sealed segment."""

    venue: str
    """Venue, as KRX."""
    day: str
    """Business date, YYYYMMDD."""
    segment: str
    """Hour of the segment, ``HH`` or ``HH-late-n``."""
    code: str
    """Symbol."""


class TapeSource(Protocol):
    """Sealed tapes."""

    def sealed(self) -> Sequence[TapeKey]:
        """Return every code of every sealed segment."""
        ...

    def tape(self, key: TapeKey) -> bytes:
        """Return the bytes whose SHA-256 stands in the segment's seal (EX-241).

        Raises:
            CheckFailedError: file or rows are not those that were sealed.
        """
        ...


def first_kept_day(days: Iterable[str], retention_days: int) -> str:
    """Return the first day whose receipts are kept: so many days before the newest, or every day for 0.

    The newest sealed day is the measure and not the clock, so that an old tape that is replayed keeps its receipts.
    """
    newest = max(days, default="")
    if not retention_days or not newest:
        return ""
    first = date(int(newest[:4]), int(newest[4:6]), int(newest[6:])) - timedelta(days=retention_days - 1)
    return first.strftime("%Y%m%d")


def receipt_name(program: str, key: TapeKey) -> str:
    """Return the file name of a program's receipt over a tape."""
    return ".".join((program, *key)) + SUFFIX


def parse_receipt_name(name: str) -> tuple[str, TapeKey] | None:
    """Return program and tape of a receipt's file name, None for any other name."""
    match = _NAME.fullmatch(name.removesuffix(SUFFIX)) if name.endswith(SUFFIX) else None
    return (match[1], TapeKey(*match.groups()[1:])) if match else None
