"""Tapes of sealed segments."""

import hashlib
from pathlib import Path

import pytest
from tests.binance import trades as binance_trades
from tests.tape import DAY, frames, recorded

from veritape.apps.tape_source import SealedTapes
from veritape.executor.tapes import TapeKey
from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.binance.segment_files import BinanceSegments
from veritape.observer.adapters.segment_files import Seal, SegmentStore
from veritape.observer.binance.recorder import Row

UNTIL = 32_400_000 + 60_000


def seal(folder: Path) -> Seal:
    """Seal the first minute of the bundled day."""
    rows = recorded(*frames(until_ms=UNTIL)).days[DAY].rows[9]
    return SegmentStore(folder).write(
        DAY, 9, rows, {}, [{"file": "0900-0.vtj", "first_block": 0, "last_block": 3}]
    )


def test_tapes_are_those_of_the_seals(tmp_path: Path) -> None:
    """EX-241: every code of every seal; the tape's SHA-256 is the seal's; an unknown segment is named."""
    lines = seal(tmp_path).document["lines"]
    tapes = SealedTapes(tmp_path)
    assert tapes.sealed() == [TapeKey("KRX", DAY, "09", code) for code in sorted(lines)]
    for key in tapes.sealed():
        assert hashlib.sha256(tapes.tape(key)).hexdigest() == lines[key.code]["rows_sha256"]
    with pytest.raises(MisuseError, match="segment_mismatch"):
        tapes.tape(TapeKey("KRX", DAY, "10", "990001"))


def test_tapes_of_the_second_venue(tmp_path: Path) -> None:
    """OB-556, OB-562, EX-241: the same tape bytes, by the venue's own columns."""
    rows = [Row(trade, 1, 2) for trade in binance_trades("20240809")[:50]]
    lines = BinanceSegments(tmp_path).seal("20240809", 0, rows, {}, []).document["lines"]
    tapes = SealedTapes(tmp_path, "BINANCE")
    (key,) = tapes.sealed()
    assert key == TapeKey("BINANCE", "20240809", "00", "BTCUSDT")
    assert hashlib.sha256(tapes.tape(key)).hexdigest() == lines["BTCUSDT"]["rows_sha256"]
