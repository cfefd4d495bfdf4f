"""The tape: mapping, totals, refusals."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import veritape.replay.tape
from veritape.kernel.errors import MisuseError
from veritape.replay.series import AUCTION, BUY, SELL, Row, TapeReason, build, read_rows

TAPE = Path(veritape.replay.tape.__path__[0])
OPEN = 34_200_000


@pytest.mark.parametrize(
    ("name", "totals", "peak"),
    [
        ("ibm", (24_111, 3_908_167, 7_132_736_980_500, 12_052, 12_059), 83),
        ("aig", (25_265, 5_243_399, 2_565_381_036_300, 13_235, 12_030), 152),
        ("bac", (86_467, 62_342_503, 8_641_378_158_500, 40_441, 46_026), 741),
    ],
)
def test_the_bundled_days_have_the_stated_totals(name: str, totals: tuple[int, ...], peak: int) -> None:
    """OB-806, OB-805: trades, shares, value, sells and buys of the played rows, and their densest second."""
    series = build("990001", read_rows((TAPE / f"{name}_20131007_trade.zip").read_bytes(), name))
    last = series.trades[-1]
    assert (len(series.trades), last.chain_shares, last.chain_value, last.sells, last.buys) == totals
    seconds: dict[int, int] = {}
    for ms in series.times_ms:
        seconds[ms // 1000] = seconds.get(ms // 1000, 0) + 1
    assert max(seconds.values()) == peak


def test_every_hour_plays_the_whole_file() -> None:
    """OB-805: --hours all plays every row."""
    rows = read_rows((TAPE / "ibm_20131007_trade.zip").read_bytes(), "ibm")
    assert len(build("990001", rows, every_hour=True).trades) == len(rows) == 24_293


def test_sides_follow_the_tick_rule() -> None:
    """OB-805: above the last price a buy, below a sell, equal as before, first a buy."""
    rows = [Row(OPEN, price, 1, auction=False) for price in (10, 10, 9, 9, 11)]
    assert [trade.side for trade in build("A", rows).trades] == [BUY, BUY, SELL, SELL, BUY]


def test_auction_prints_are_uncounted_only_when_asked() -> None:
    """OB-805: --auctions makes opening and closing prints uncounted with side code 3."""
    rows = read_rows(b"34200000,10,5,Q,40,0\n34200001,11,6,Q,80,0\n34200002,12,7,Q,20,0", "t.csv")
    assert [row.auction for row in rows] == [True, True, False]
    auctions = build("A", rows, auctions=True).trades
    assert [(t.side, t.counted, t.sells + t.buys) for t in auctions] == [
        (AUCTION, False, 0),
        (AUCTION, False, 0),
        (BUY, True, 1),
    ]
    assert [t.sells + t.buys for t in build("A", rows).trades] == [1, 2, 3]
    assert [t.chain_shares for t in auctions] == [5, 11, 18]


def test_a_partial_play_knows_nothing_later() -> None:
    """OB-813: the tape's end is that session's close."""
    series = build("A", [Row(OPEN + ms, 10, 1, auction=False) for ms in (0, 999, 1000)])
    assert len(series.until(32_400_000 + 1000).trades) == 2
    assert series.until(None) is series
    assert [series.happened(32_400_000 + ms) for ms in (-1, 0, 998, 999, 5000)] == [0, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("data", "reason", "place"),
    [
        (b"34200000,10", TapeReason.BAD_ROW, "t.csv:1"),
        (b"34200000,10,1\n34200000,0,1", TapeReason.BAD_ROW, "t.csv:2"),
        (b"34200000,10,-1", TapeReason.BAD_ROW, "t.csv:1"),
        (b"34200000,10,1,Q,xyz", TapeReason.BAD_ROW, "t.csv:1"),
        (b"34200001,10,1\n34200000,10,1", TapeReason.UNSORTED, "t.csv:2"),
        (b"PK\x03\x04 broken", TapeReason.BAD_ARCHIVE, "t.csv"),
    ],
)
def test_a_bad_tape_is_refused_with_its_place(data: bytes, reason: TapeReason, place: str) -> None:
    """OB-815, OB-991: refused with file and line."""
    with pytest.raises(MisuseError, match=place) as refusal:
        read_rows(data, "t.csv")
    assert refusal.value.reason is reason


def test_an_empty_window_and_a_full_archive_are_refused() -> None:
    """OB-815: an empty window is refused; a zip holds one file."""
    with pytest.raises(MisuseError) as refusal:
        build("A", [Row(1, 10, 1, auction=False)])
    assert refusal.value.reason is TapeReason.EMPTY_WINDOW
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("b", "1")
    with pytest.raises(MisuseError) as refusal:
        read_rows(target.getvalue(), "two.zip")
    assert refusal.value.reason is TapeReason.BAD_ARCHIVE


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"PK\x03\x04" + tail))
def test_any_bytes_are_rows_or_a_refusal(data: bytes) -> None:
    """OB-992: the tape parser is total."""
    try:
        rows = read_rows(data, "t")
    except MisuseError:
        return
    assert all(row.price > 0 and row.shares > 0 for row in rows)
