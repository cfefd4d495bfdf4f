"""The two captures of Binance spot as frames, and what is true of them by the captures alone."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from hypothesis import strategies as st

from veritape.observer.binance.messages import Trade, parse_message
from veritape.observer.journal import Frame, Kind

FOLDER = Path(__file__).parent / "vectors" / "binance"
FIRST, SECOND = "20240808", "20240809"
CODE = "BTCUSDT"
FIRST_ID, SPLIT_ID, LAST_ID = 3_735_683_259, 3_735_693_015, 3_735_703_162
MIDNIGHT_ID = 3_735_692_997
"""First trade of 2024-08-09 by the venue's time: 19 before the split of the files."""

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["1.5", "BTCUSDT", "trade"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
"""Any JSON value, and what a JSON writer makes of other floats."""


class Captured(NamedTuple):
    """One line of a capture."""

    received_ns: int
    data: bytes

    @property
    def stream(self) -> str:
        """Return the stream's kind; ``snapshot`` for the REST body."""
        head = self.data[:40].decode()
        return head.split('"')[3].partition("@")[2] if head.startswith('{"stream"') else "snapshot"


@cache
def captured(day: str) -> tuple[Captured, ...]:
    """Return the lines of a capture."""
    text = zstandard.ZstdDecompressor().decompress((FOLDER / f"spot_btcusdt_{day}.zst").read_bytes())
    lines = (line.split(b" ", 1) for line in text.splitlines())
    return tuple(Captured(int(stamp), data) for stamp, data in lines)


def frames(*days: str, streams: tuple[str, ...] = ("trade",), connection: int = 1) -> Iterator[Frame]:
    """Yield the messages of captures as journal frames."""
    wanted = [line for day in days for line in captured(day) if line.stream in streams]
    for sequence, (received_ns, data) in enumerate(wanted, 1):
        yield Frame(Kind.TEXT, connection, sequence, received_ns, received_ns, data)


@cache
def trades(*days: str) -> tuple[Trade, ...]:
    """Return the trades of captures, read by the parser under test; ``raw_trades`` reads them without it."""
    found = [parse_message(frame.data) for frame in frames(*days)]
    return tuple(one for one in found if isinstance(one, Trade))


@cache
def raw_trades(*days: str) -> tuple[dict[str, Any], ...]:
    """Return the events as the JSON library reads them: the truth that the parser is compared with."""
    return tuple(json.loads(frame.data)["data"] for frame in frames(*days))
