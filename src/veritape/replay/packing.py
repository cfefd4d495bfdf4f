"""Which trades travel in one frame, and when it leaves (OB-807, OB-853).

Consecutive trades of a code within the same 30 ms share a frame, at most 20 of them; the frame leaves at the end of
that slice. The ordinal of a frame over all codes is what faults are drawn for, so it depends on the tape alone.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from veritape.replay.series import Series

PACK_MS: Final = 30
"""Milliseconds of one slice."""

FRAME_TRADES: Final = 20
"""Most records of a frame that the real broker was seen to send."""


class Frame(NamedTuple):
    """Trades of one code that travel together."""

    number: int
    """Ordinal over all codes, from 1."""
    code: str
    """Symbol."""
    first: int
    """Index of the first trade in the code's series."""
    end: int
    """Index after the last trade."""
    emit_ms: int
    """When the frame leaves, milliseconds since midnight in Seoul."""


def pack(series: Iterable[Series]) -> list[Frame]:
    """Return the frames of all codes in the order in which they leave."""
    slices = sorted(
        (emit_ms, one.code, first, end) for one in series for first, end, emit_ms in _slices(one.times_ms)
    )
    return [
        Frame(number, code, first, end, emit_ms)
        for number, (emit_ms, code, first, end) in enumerate(slices, 1)
    ]


def _slices(times_ms: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    first = 0
    for index in range(1, len(times_ms) + 1):
        bucket = times_ms[first] // PACK_MS
        ends = index == len(times_ms) or times_ms[index] // PACK_MS != bucket or index - first == FRAME_TRADES
        if ends:
            yield first, index, (bucket + 1) * PACK_MS
            first = index
