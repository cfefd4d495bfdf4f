"""Frames: counts, order, limits."""

from pathlib import Path

import pytest

import veritape.replay.tape
from veritape.replay.faults import parse
from veritape.replay.packing import FRAME_TRADES, PACK_MS, Frame, pack
from veritape.replay.series import Row, Series, build, read_rows

TAPE = Path(veritape.replay.tape.__path__[0])


@pytest.fixture(scope="module")
def day() -> dict[str, Series]:
    names = {"990001": "ibm", "990002": "aig", "990003": "bac"}
    return {
        code: build(code, read_rows((TAPE / f"{name}_20131007_trade.zip").read_bytes(), name))
        for code, name in names.items()
    }


def test_the_default_codes_give_the_stated_frames(day: dict[str, Series]) -> None:
    """OB-807: 50,756 frames with 135,843 trades, ordered by emission, code and first trade."""
    frames = pack(day.values())
    assert len(frames) == 50_756
    assert sum(frame.end - frame.first for frame in frames) == 135_843
    assert [(f.emit_ms, f.code, f.first) for f in frames] == sorted(
        (f.emit_ms, f.code, f.first) for f in frames
    )
    assert max(frame.end - frame.first for frame in frames) <= FRAME_TRADES
    assert [frame.number for frame in frames] == list(range(1, 50_757))


def test_one_in_a_hundred_dropped_loses_the_stated_frames(day: dict[str, Series]) -> None:
    """OB-608, OB-853: drop = 0.01 at seed 7 loses 515 frames, with them the stated trades of each code."""
    faults, lost = parse(["drop=0.01"]), dict.fromkeys(day, 0)
    dropped = [frame for frame in pack(day.values()) if faults.strikes("drop", frame.number, frame.emit_ms)]
    for frame in dropped:
        lost[frame.code] += frame.end - frame.first
    assert len(dropped) == 515
    assert lost == {"990001": 198, "990002": 203, "990003": 817}


def test_a_slice_of_more_than_a_frame_is_cut() -> None:
    """OB-807: at most 20 trades a frame, emitted at the end of their slice."""
    rows = [Row(34_200_000 + ms, 10, 1, auction=False) for ms in [5] * 21 + [PACK_MS]]
    frames = pack([build("A", rows)])
    assert frames == [
        Frame(1, "A", 0, 20, 32_400_030),
        Frame(2, "A", 20, 21, 32_400_030),
        Frame(3, "A", 21, 22, 32_400_060),
    ]
