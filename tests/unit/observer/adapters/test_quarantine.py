"""Frames that cannot be read."""

import json
from pathlib import Path

from tests.tape import DAY, MIDNIGHT_NS

from veritape.observer.adapters.quarantine import MINUTE_NS, Quarantine
from veritape.observer.frames import FrameReason, Refusal
from veritape.observer.journal import Frame, Kind

NOW_NS = MIDNIGHT_NS + 32_410 * 10**9
UNKNOWN_WIDTH = Refusal(FrameReason.UNKNOWN_WIDTH, "H0STCNT0", 48)
BAD_JSON = Refusal(FrameReason.BAD_JSON, "", 0)


def frame(number: int, received_ns: int = NOW_NS) -> Frame:
    return Frame(Kind.TEXT, 2, number, received_ns, 0, b"{}")


def test_every_frame_has_an_entry_and_each_reason_one_line_a_minute(tmp_path: Path) -> None:
    """OB-457, OB-991: (connection, sequence) and reason of each frame; people read one line, the next says how many there were."""
    told: list[str] = []
    quarantine = Quarantine(tmp_path / "quarantine", told.append)
    for number in (1, 2, 3):
        quarantine.add(frame(number), UNKNOWN_WIDTH)
    quarantine.add(frame(4), BAD_JSON)
    quarantine.add(frame(5, NOW_NS + MINUTE_NS), UNKNOWN_WIDTH)
    entries = [
        json.loads(line)
        for line in (tmp_path / "quarantine" / f"frames-{DAY}.jsonl").read_text().splitlines()
    ]
    assert [(one["connection"], one["sequence"], one["reason"]) for one in entries] == [
        (2, 1, "unknown_width"), (2, 2, "unknown_width"), (2, 3, "unknown_width"), (2, 4, "bad_json"), (2, 5, "unknown_width"),
    ]  # fmt: skip
    assert entries[0] == {
        "connection": 2, "sequence": 1, "received_ns": NOW_NS, "bytes": 2, "reason": "unknown_width", "tr_id": "H0STCNT0",
        "width": 48,
    }  # fmt: skip
    where = "connection 2, its bytes are in the journal"
    width = "unknown_width (H0STCNT0, 48 fields a record)"
    assert told == [
        f"quarantined 1 frames: {width}; the last is 1 of {where}",
        f"quarantined 1 frames: bad_json; the last is 4 of {where}",
        f"quarantined 3 frames: {width}; the last is 5 of {where}",
    ]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """OB-457: the bytes are in the journal, which reports a failing disk itself."""
    told: list[str] = []
    (tmp_path / "quarantine").write_text("a file in the way")
    Quarantine(tmp_path / "quarantine", told.append).add(frame(1), BAD_JSON)
    assert len(told) == 1
