"""Find a recorded trade by its place on the chain, sealed or waiting for its segment (OB-645).

The ledger keeps the last trades of a line. A record from before them, as a broker may send after a reconnect, is compared
with what was recorded there. A code's day is indexed when it is asked for, and anew when it has grown and a place is not
found, so a tape that comes again costs one search a trade.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veritape.observer.adapters.segment_columns import ROW, Integers
from veritape.observer.adapters.segment_files import SegmentStore
from veritape.observer.recorder import Recorder
from veritape.observer.rows import TradeRows

INDEXES = 64
"""Codes whose index is kept: more than a connection has registrations."""

EPOCH_BITS = 48
"""Bits of a place below its chain epoch: more than any day's shares need."""


@dataclass(frozen=True)
class Index:
    """One code's trades of a day."""

    recorded: int
    """Trades of the line when it was made."""
    places: Integers
    """Rising."""
    shares: Integers
    """Of the trade at each place."""
    prices: Integers
    """Its price."""

    def at(self, place: int) -> tuple[int, int] | None:
        """Return shares and price of the trade at a place."""
        row = int(np.searchsorted(self.places, place))
        if row == len(self.places) or self.places[row] != place:
            return None
        return int(self.shares[row]), int(self.prices[row])


class TradeLookUp:
    """What ``Recorder.look_up`` asks."""

    def __init__(self, segments: SegmentStore, recorder: Recorder) -> None:
        self._segments = segments
        self._recorder = recorder
        self._indexes: dict[tuple[str, str], Index] = {}

    def __call__(self, day: str, code: str, epoch: int, chain_shares: int) -> tuple[int, int] | None:
        """Return shares and price of the trade recorded there, None for none."""
        place, line = _place(epoch, chain_shares), self._recorder.day(day).line(code)
        index, recorded = self._indexes.get((day, code)), line.recorded_trades + line.uncounted
        found = index.at(place) if index else None
        if found is None and (index is None or index.recorded != recorded):
            if len(self._indexes) == INDEXES:
                self._indexes.clear()
            index = self._indexes[day, code] = self._index(day, code, recorded)
            found = index.at(place)
        return found

    def forget_before(self, day: str) -> None:
        """Drop the indexes of earlier days."""
        self._indexes = {key: index for key, index in self._indexes.items() if key[0] >= day}

    def _index(self, day: str, code: str, recorded: int) -> Index:
        parts = [_waiting(rows, code) for rows in self._recorder.day(day).rows.values()]
        for _, table in self._segments.trades(day, code):
            names = ("chain_epoch", "chain_shares", "shares", "price")
            epoch, chain, shares, price = (table[name].to_numpy().astype(np.int64) for name in names)
            parts.append((_place(epoch, chain), shares, price))
        columns = [np.concatenate([np.empty(0, np.int64), *column]) for column in zip(*parts, strict=True)]
        places, shares, prices = columns or [np.empty(0, np.int64)] * 3
        order = np.argsort(places, kind="stable")
        return Index(recorded, places[order], shares[order], prices[order])


def _waiting(rows: TradeRows, code: str) -> tuple[Integers, Integers, Integers]:
    """Return place, shares and price of a code's rows that wait for their segment."""
    table: npt.NDArray[Any] = np.frombuffer(bytes(rows.packed), ROW)
    names = [ordinal for (of, _, _), ordinal in rows.names.items() if of == code]
    own = table[np.isin(table["name"], names)]
    return (
        _place(own["epoch"].astype(np.int64), own["chain_shares"].astype(np.int64)),
        own["shares"].astype(np.int64),
        own["price"].astype(np.int64),
    )


def _place(epoch: Any, chain_shares: Any) -> Any:
    """Return a place on the chain as one number, or many."""
    return (epoch << EPOCH_BITS) + chain_shares
