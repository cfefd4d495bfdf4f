"""What arrived and could not be read: an entry for each frame, and one line for people a minute (OB-457, OB-991).

The raw bytes are in the journal, durable before anyone tried to read them; an entry says where they are and why they were
refused, so that a later version can read them again.
"""

import contextlib
import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from veritape.kernel.canonical import Json, canonical_json
from veritape.kernel.clock import NANOSECONDS
from veritape.observer.journal import Frame
from veritape.observer.recorder import FrameKey, kst
from veritape.observer.venue import Unread

MINUTE_NS = 60 * NANOSECONDS
"""A reason is told at most once in it."""


class Quarantine:
    """The index of unread frames below ``quarantine/``."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._told: dict[StrEnum, int] = {}
        self._untold: dict[StrEnum, int] = {}

    def add(self, frame: Frame, refusal: Unread) -> None:
        """Write a frame's entry; tell its reason unless that was done in the minute before."""
        entry: dict[str, Json] = {
            "connection": frame.connection,
            "sequence": frame.sequence,
            "received_ns": frame.received_ns,
            "bytes": len(frame.data),
            "reason": refusal.reason.value,
            "tr_id": refusal.tr_id,
            "width": refusal.width,
        }
        with contextlib.suppress(OSError):  # the journal, which holds the bytes, reports a failing disk
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / f"frames-{kst(frame.received_ns)[0]}.jsonl").open("ab") as file:
                file.write(canonical_json(entry) + b"\n")
        self._tell(frame, refusal)

    def _tell(self, frame: Frame, refusal: Unread) -> None:
        reason, minute = refusal.reason, frame.received_ns // MINUTE_NS
        self._untold[reason] = self._untold.get(reason, 0) + 1
        if self._told.get(reason) == minute:
            return
        self._told[reason] = minute
        what = f" ({refusal.tr_id}, {refusal.width} fields a record)" if refusal.width else ""
        self._say(
            f"quarantined {self._untold.pop(reason)} frames: {reason.value}{what}; the last is {frame.sequence} of"
            f" connection {frame.connection}, its bytes are in the journal"
        )


def unread_frames(folder: Path) -> set[FrameKey]:
    """Return every frame that the index below a quarantine folder names; a torn last line names none."""
    found = set()
    for path in sorted(folder.glob("frames-*.jsonl")):
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                found.add((int(entry["connection"]), int(entry["sequence"]), int(entry["received_ns"])))
    return found
