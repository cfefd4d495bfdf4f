"""Fetched trades on disk."""

from pathlib import Path

from pyarrow import parquet
from tests.binance import CODE, FIRST

from veritape.observer.adapters.binance.fill_files import AGGREGATE, BY_ID, SCHEMA, FillFiles
from veritape.observer.binance.lines import Filled
from veritape.observer.gaps import gap_id

T0_US = 1_723_161_255_342_000


def filled(first_id: int, trades: int = 1, *, single: bool = True) -> Filled:
    last_id = first_id + trades - 1
    return Filled(CODE, first_id, last_id, trades, T0_US, 100, 7, 5, first_id, 9, single=single, left_id=4)


def test_fetched_trades_have_files_of_their_own(tmp_path: Path) -> None:
    """OB-705, OB-904: apart from the recorded ones, with their source and the gap that they filled; each once."""
    files = FillFiles(tmp_path)
    assert files.write(FIRST, []) is None
    path = files.write(FIRST, [filled(8, 3, single=False), filled(5)])
    assert path == tmp_path / "backfill" / "trades" / "venue=BINANCE" / f"day={FIRST}" / "2354-0.parquet"
    with parquet.ParquetFile(path) as file:
        table = file.read()
    assert table.column_names == SCHEMA.names
    assert table.select(["trade_id", "last_id", "trades", "shares", "source", "gap_id"]).to_pylist() == [
        {"trade_id": 5, "last_id": 5, "trades": 1, "shares": 7, "source": BY_ID, "gap_id": gap_id("BINANCE", CODE, FIRST, 4)},
        {"trade_id": 8, "last_id": 10, "trades": 3, "shares": 7, "source": AGGREGATE, "gap_id": gap_id("BINANCE", CODE, FIRST, 4)},
    ]  # fmt: skip
    assert files.write(FIRST, [filled(5), filled(8)]) is None
    assert files.write(FIRST, [filled(5), filled(20)]) == path.with_name("2354-1.parquet")
    assert [one.name for one in files.paths(FIRST)] == ["2354-0.parquet", "2354-1.parquet"]
