"""Segments of Binance trades on disk."""

from pathlib import Path

import pytest
from pyarrow import parquet
from tests.binance import CODE, SECOND, frames, trades

from veritape.kernel.errors import CheckFailedError
from veritape.observer.adapters.binance.segment_files import SCHEMA, BinanceSegments, encode, segment_store
from veritape.observer.adapters.integrity import segment_damage
from veritape.observer.adapters.seal_files import seal_hash
from veritape.observer.adapters.segment_files import SegmentStore
from veritape.observer.binance.recorder import Row
from veritape.observer.binance.segments import tape_row
from veritape.observer.segments import rows_sha256, tape_bytes

ROWS = [
    Row(trade, frame.sequence, frame.received_ns // 1000)
    for trade, frame in zip(trades(SECOND), frames(SECOND), strict=True)
]


def test_a_segment_is_read_back_as_it_was_sealed(tmp_path: Path) -> None:
    """OB-551, OB-552, OB-555, OB-562: columns, scale, order, seal; the tape that the executor reads is bound to it."""
    store = BinanceSegments(tmp_path)
    seal = store.seal(
        SECOND, 0, ROWS, {}, [{"file": "20240809/0000-0.vtj", "first_block": 0, "last_block": 5}]
    )
    assert seal.path == tmp_path / "trades" / "venue=BINANCE" / f"day={SECOND}" / "00.parquet"
    with parquet.ParquetFile(seal.path) as file:
        table = file.read()
        assert file.metadata.metadata[b"price_scale"] == b"8"
    assert table.column_names == SCHEMA.names
    assert table["trade_id"].to_pylist() == [row.trade.trade_id for row in ROWS]
    assert table["event_us"].to_pylist() == [row.trade.event_us for row in ROWS]
    assert set(table["code"].to_pylist()) == {CODE}
    document = store.seals()[0].document
    assert (document["venue"], document["price_scale"], document["rows"]) == ("BINANCE", 8, 10_147)
    tape = [tape_row(r.trade.event_us, r.trade.side, r.trade.price, r.trade.quantity) for r in ROWS]
    assert store.tape(store.seals()[0], CODE) == tape_bytes(CODE, 8, tape)
    assert document["lines"][CODE]["rows_sha256"] == rows_sha256(CODE, tape, 8)
    assert segment_damage(store, SECOND) == []


def test_late_trades_go_to_a_part_of_their_own_and_seals_are_chained(tmp_path: Path) -> None:
    """OB-551, OB-555: ``HH.late-1`` with its own seal that names the one before."""
    store = BinanceSegments(tmp_path)
    first = store.seal(SECOND, 0, ROWS[:50], {}, [])
    late = store.seal(SECOND, 0, ROWS[50:60], {CODE: ROWS[49].trade.trade_id}, [])
    assert late.path.name == "00.late-1.parquet"
    assert late.document["previous"] == seal_hash(first.path)
    assert store.sealed_ids(SECOND, 0) == {(CODE, row.trade.trade_id) for row in ROWS[:60]}
    assert store.sealed_ids(SECOND, 1) == set()


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """OB-991: the reader refuses what is not what was sealed."""
    store = BinanceSegments(tmp_path)
    seal = store.seal(SECOND, 0, ROWS[:50], {}, [])
    seal.path.chmod(0o644)
    seal.path.write_bytes(encode(ROWS[:49]))
    with pytest.raises(CheckFailedError):
        store.tape(seal, CODE)


def test_the_same_rows_give_the_same_bytes_and_few_of_them() -> None:
    """OB-552, OB-554: a segment of 10,147 trades takes at most 10 bytes a trade."""
    content = encode(ROWS)
    assert content == encode(list(ROWS))
    assert len(content) / len(ROWS) <= 10


def test_each_venue_has_its_store(tmp_path: Path) -> None:
    """OB-562: by venue."""
    assert isinstance(segment_store(tmp_path, "BINANCE"), BinanceSegments)
    assert type(segment_store(tmp_path, "KRX")) is SegmentStore
