"""The bundled day as the observer receives it, for the rows that need frames or a recorded day."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from veritape.apps.played_tape import load_series
from veritape.observer import journal
from veritape.observer.journal import Frame, Header, Kind, Venue
from veritape.replay.packing import pack
from veritape.replay.rendering import frame_text, listing_of
from veritape.replay.schedule import midnight_ns
from veritape.replay.symbols import symbol_of
from veritape.wire.kis.frames import PRESENT_WIDTH

DAY = "20131007"
"""Business date of the tape."""

DISK = Path("/var/tmp")  # noqa: S108 - a folder of its own is made below it
"""Where files are written: on the machine's disk, where ``/tmp`` may be memory."""

FRAMES_A_BLOCK = 100
"""Frames of a commit at the rates that are measured."""


@cache
def texts(width: int = PRESENT_WIDTH) -> tuple[bytes, ...]:
    """Return the day's frames as they are on the wire."""
    series = {one.code: one for one in load_series((), every_hour=False, auctions=False)}
    listings = {code: listing_of(symbol_of(code), DAY, one) for code, one in series.items()}
    return tuple(
        frame_text(frame, series[frame.code].trades, listings[frame.code], width).encode()
        for frame in pack(series.values())
    )


@cache
def frames() -> tuple[Frame, ...]:
    """Return the day's frames as they are in the journal."""
    start_ns = midnight_ns(DAY) + 9 * 3600 * 10**9
    return tuple(
        Frame(Kind.TEXT, 1, number, start_ns + number * 400_000, number * 400_000, text)
        for number, text in enumerate(texts(), 1)
    )


@contextmanager
def folder() -> Iterator[Path]:
    """Yield an empty folder on the disk that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="veritape-bench-", dir=DISK if DISK.is_dir() else None) as name:
        yield Path(name)


def write_journal(path: Path, level: int = 1, repeat: int = 1) -> int:
    """Write the day as a journal file that was never sealed; return its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = frames()
    groups = [list(whole[n : n + FRAMES_A_BLOCK]) for n in range(0, len(whole), FRAMES_A_BLOCK)]
    with path.open("wb") as file:
        file.write(journal.encode_file_header(Header(Venue.KRX, bytes(16), whole[0].received_ns, bytes(16))))
        for number, group in enumerate(groups * repeat):
            file.write(journal.encode_block(group, number, level))
        return file.tell()
