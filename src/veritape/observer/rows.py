"""Recorded trades that wait for their segment: 76 bytes a trade, and nothing for the garbage collector to visit.

As objects the trades of an hour would take ten times the room, and every full collection would walk over all of them.
Rows are packed one after another in the order in which they were recorded; a reader iterates them as ``Row`` or maps the
bytes as one table (``adapters/segment_columns.py``).
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from veritape.observer.frames import Trade

PACKED: Final = struct.Struct("<QqqqqqIIIIIIBBxx")
"""Sequence, received_us, price, shares, chain shares, chain value; record, event_s, sells, buys, epoch, name; side, counted."""

NAMES: Final = (
    "sequence", "received_us", "price", "shares", "chain_shares", "chain_value", "record", "event_s", "sells", "buys",
    "epoch", "name", "side", "counted",
)  # fmt: skip
"""Fields of a packed row; ``name`` is the ordinal of (code, day, session)."""


class Row(NamedTuple):
    """One recorded trade as it goes into a segment (OB-552)."""

    trade: Trade
    sequence: int
    """The frame's sequence on its connection."""
    record: int
    """Index in the frame."""
    received_us: int
    """Wall clock, microseconds UTC."""
    counted: bool
    """Whether it moved S + B, as observed."""
    epoch: int
    """Chain epoch."""


class TradeRows:
    """Rows in the order in which they were recorded."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.packed = bytearray()
        """One ``PACKED`` a row."""
        self.names: dict[tuple[str, str, str], int] = {}
        """(code, day, session) -> its ordinal."""
        for row in rows:
            self.append(row)

    def append(self, row: Row) -> None:
        """Add a row."""
        self.add(row.trade, row.sequence, row.record, row.received_us, row.counted, row.epoch)

    def add(
        self, trade: Trade, sequence: int, record: int, received_us: int, counted: bool, epoch: int
    ) -> None:
        """Add a row by its values; ``trade.counted`` is what the protocol says, ``counted`` what was observed."""
        code, event_s, price, shares, chain_shares, chain_value, sells, buys, side, _, day, session = trade
        name = self.ordinal((code, day, session))
        self.packed += _pack(
            sequence, received_us, price, shares, chain_shares, chain_value,
            record, event_s, sells, buys, epoch, name, side, counted,
        )  # fmt: skip

    def ordinal(self, name: tuple[str, str, str]) -> int:
        """Return the ordinal of (code, day, session) for packed rows."""
        return self.names.setdefault(name, len(self.names))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.packed) // PACKED.size

    def __eq__(self, other: object) -> bool:
        """Tell whether both hold the same rows in the same order."""
        return isinstance(other, TradeRows) and list(self) == list(other)

    def __hash__(self) -> int:
        """Raise: rows are added."""
        raise TypeError("rows change")

    def __iter__(self) -> Iterator[Row]:
        """Yield each row; its trade's ``counted`` is the observed one."""
        names = list(self.names)
        for values in PACKED.iter_unpack(self.packed):
            (
                sequence, received_us, price, shares, chain_shares, chain_value,
                record, event_s, sells, buys, epoch, name, side, counted,
            ) = values  # fmt: skip
            code, day, session = names[name]
            trade = Trade(
                code, event_s, price, shares, chain_shares, chain_value, sells, buys, side, bool(counted), day, session
            )  # fmt: skip
            yield Row(trade, sequence, record, received_us, bool(counted), epoch)


_pack: Final = PACKED.pack
