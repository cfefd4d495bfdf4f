"""What a day's files prove, whichever venue they are of: what a manifest states, a drill finds again, and the retention asks.

KRX's lines close in trades, shares and won. Binance's close in trades; what a missing trade moved is unknown, so quantity
and value of its residual, and of the end of a line that has one, are null. Its quantities are scaled by 10^8, its values by
10^16, as in its audit.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pyarrow.compute as pc

from veritape.observer import manifests
from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.segment_files import SegmentStore, read_columns
from veritape.observer.binance.statements import VENUE as BINANCE
from veritape.observer.manifests import LineEnd, LineFigures, Totals
from veritape.observer.retention import DayFacts

COLUMNS = ("code", "counted", "price", "shares")
"""Columns of a segment that its totals need."""


class Proof(Protocol):
    """One day of one venue, read again from its journal."""

    def lines(self) -> dict[str, LineFigures]:
        """Return what the audit says of each line."""
        ...

    def sealed(self) -> dict[str, Totals]:
        """Add up the day's segments by code, and the trades that wait for one."""
        ...

    def facts(self, *, backup_failed: bool) -> DayFacts:
        """Return what the retention must know of the day."""
        ...


class KrxProof:
    """A business day of the broker's venue."""

    def __init__(self, data: Path, venue: str, day: str) -> None:
        self._day = day
        self._recording = Recording(data, venue)
        self._recording.load([day])

    def lines(self) -> dict[str, LineFigures]:
        """Return what the audit says of each line."""
        return manifests.figures(self._recording.audit(self._day, 0))

    def sealed(self) -> dict[str, Totals]:
        """Add up the day's segments by code, and the trades that wait for one."""
        sums: dict[str, list[int]] = {}
        for code, part in _krx_sums(self._recording.segments, self._day):
            _add(sums, code, part)
        for rows in self._recording.recorder.day(self._day).rows.values():
            for row in rows:
                trade = row.trade
                _add(sums, trade.code, [int(row.counted), trade.shares, trade.price * trade.shares])
        return _totals(sums)

    def facts(self, *, backup_failed: bool) -> DayFacts:
        """Return what the retention must know of the day."""
        days = self._recording.recorder.days.values()
        waiting = any(rows for one in days for rows in one.rows.values())
        document = self._recording.audit(self._day, 0, backup_failed=backup_failed)
        return DayFacts(not waiting, bool(document["anomalies"]))


class BinanceProof:
    """A UTC day of the venue without an account, from the journal files that are finished."""

    def __init__(self, data: Path, day: str) -> None:
        self._day = day
        self._recording = BinanceRecording(data)
        self._recording.load([day], finished_only=True)

    def lines(self) -> dict[str, LineFigures]:
        """Return what the audit says of each line."""
        return {line["code"]: binance_figures(line) for line in self._audit()["lines"]}

    def sealed(self) -> dict[str, Totals]:
        """Add up the day's segments by code, and the trades that wait for one."""
        sums: dict[str, list[int]] = {}
        for seal in self._recording.segments.seals(self._day):
            table = read_columns(seal.path, list(COLUMNS))
            for code, counted, price, quantity in zip(
                *(table[name].to_pylist() for name in COLUMNS), strict=True
            ):
                _add(sums, code, [counted, quantity, price * quantity])
        found = self._recording.recorder.days.get(self._day)
        for row in (row for rows in (found.rows if found else {}).values() for row in rows):
            trade = row.trade
            _add(sums, trade.code, [1, trade.quantity, trade.price * trade.quantity])
        return _totals(sums)

    def facts(self, *, backup_failed: bool) -> DayFacts:
        """Return what the retention must know: a line that is not complete makes the day an anomaly."""
        found = self._recording.recorder.days.get(self._day)
        waiting = found is not None and any(found.rows.values())
        complete = all(line["status"].startswith("complete") for line in self._audit()["lines"])
        return DayFacts(not waiting, backup_failed or not complete)

    def _audit(self) -> dict[str, Any]:
        return self._recording.audit(self._day, 0)


def proof_of(data: Path, venue: str, day: str) -> Proof:
    """Return a day's proof, read from its journal."""
    return BinanceProof(data, day) if venue == BINANCE else KrxProof(data, venue, day)


def binance_figures(line: Mapping[str, Any]) -> LineFigures:
    """Return what a manifest keeps of a line of Binance's audit."""
    sums = {
        part: Totals(
            trades=line[part]["trades"], shares=line[part]["quantity"], value_krw=line[part]["value"]
        )
        for part in ("recorded", "backfilled")
    }
    missing = line["residual"]["trades"]
    unknown = None if missing else 0
    shares, value = (
        None if missing else sum(line[part][name] for part in ("recorded", "backfilled"))
        for name in ("quantity", "value")
    )
    return LineFigures(
        anchor=None
        if line["trades"] is None
        else LineEnd(trades=line["trades"], shares=shares, value_krw=value),
        residual=Totals(trades=missing, shares=unknown, value_krw=unknown),
        status=line["status"],
        **sums,
    )


def _krx_sums(store: SegmentStore, day: str) -> Iterator[tuple[str, list[int]]]:
    added = ("counted", "shares", "value")
    for seal in store.seals(day):
        table = read_columns(seal.path, list(COLUMNS))
        table = table.append_column("value", pc.multiply(table["price"], table["shares"]))
        for row in table.group_by("code").aggregate([(name, "sum") for name in added]).to_pylist():
            yield row["code"], [row[f"{name}_sum"] for name in added]


def _add(sums: dict[str, list[int]], code: str, more: list[int]) -> None:
    sums[code] = [a + b for a, b in zip(sums.get(code, [0, 0, 0]), more, strict=True)]


def _totals(sums: Mapping[str, list[int]]) -> dict[str, Totals]:
    return {
        code: Totals(trades=n, shares=shares, value_krw=value) for code, (n, shares, value) in sums.items()
    }
