"""Fetched trades and bars on disk."""

import stat
from pathlib import Path

import pyarrow.parquet as pq
from tests.tape import DAY, MIDNIGHT_NS, trade

from veritape.observer.adapters.backfill_files import BARS, TRADES, BackfillFiles
from veritape.observer.adapters.segment_files import SCHEMA
from veritape.observer.backfill import Fetched, Source
from veritape.observer.bars import Bar

NOON_NS = MIDNIGHT_NS + 12 * 3600 * 10**9


def by_time(row: int) -> Fetched:
    one = trade(row)
    return Fetched("990001", one.event_s, one.price, one.shares, one.chain_shares, Source.BY_TIME, row, "g")


def reparsed(row: int) -> Fetched:
    return by_time(row)._replace(
        source=Source.REPARSED, trade=trade(row), sequence=1, record=0, received_us=3
    )


def test_fetched_trades_come_back_as_they_were(tmp_path: Path) -> None:
    """OB-705: backfill/trades/venue=/day=/HHMM-<n>.parquet with source, fetched_us and gap_id; written once, read-only."""
    files = BackfillFiles(tmp_path, "KRX")
    rows = [reparsed(6), by_time(7)]
    first = files.add_trades(DAY, rows, NOON_NS)
    second = files.add_trades(DAY, [by_time(8)], NOON_NS + 1)
    folder = tmp_path / "backfill" / "trades" / "venue=KRX" / f"day={DAY}"
    assert (
        [first, second] == [folder / "1200-0.parquet", folder / "1200-1.parquet"] == files.paths(TRADES, DAY)
    )
    assert stat.S_IMODE(first.stat().st_mode) == 0o444
    assert BackfillFiles(tmp_path, "KRX").trades(DAY) == {"990001": [*rows, by_time(8)]}
    assert files.trades("20990101") == {}
    names = pq.read_schema(first).names
    assert set(names) == {*SCHEMA.names, "chain_value", "source", "fetched_us", "gap_id"}


def test_many_files_of_a_minute_keep_their_order(tmp_path: Path) -> None:
    """OB-705: the eleventh file of a minute comes after the tenth."""
    files = BackfillFiles(tmp_path, "KRX")
    for row in range(1, 13):
        files.add_trades(DAY, [by_time(row)], NOON_NS)
    assert [path.stem for path in files.paths(TRADES, DAY)] == [f"1200-{n}" for n in range(12)]
    assert [row.fetched_us for row in files.trades(DAY)["990001"]] == list(range(1, 13))


def test_bars_come_back_by_label_and_the_newest_fetch_wins(tmp_path: Path) -> None:
    """OB-705, OB-706: backfill/bars, apart from the trades."""
    files = BackfillFiles(tmp_path, "KRX")
    bars = [Bar(32_400, 1, 2, 1, 2, 100, 150), Bar(32_460, 2, 3, 2, 3, 50, 280)]
    files.add_bars(DAY, "990001", bars, "FHKST03010200", NOON_NS)
    files.add_bars(DAY, "990001", [bars[1]._replace(shares=60)], "FHKST03010200", NOON_NS)
    assert files.bars(DAY) == {"990001": {32_400: bars[0], 32_460: bars[1]._replace(shares=60)}}
    assert len(files.paths(BARS, DAY)) == 2
    assert files.paths(TRADES, DAY) == []
