"""Minute bars from trades."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tape import bundled

from veritape.replay.bars import Bar, bar, bar_row, bars_back, is_kept, padded, session_before
from veritape.replay.series import SHIFT_MS, Row, Series, build

NINE, MINUTE = 32_400_000, 60_000


def day(*trades: tuple[int, int, int]) -> Series:
    return build("A", [Row(NINE + SHIFT_MS + ms, price, size, auction=False) for ms, price, size in trades])


SERIES = day((0, 100, 5), (30_000, 110, 1), (59_999, 90, 2), (120_000, 95, 3), (150_000, 96, 4))
MINUTES = [
    Bar(NINE, 100, 110, 90, 90, 8, 500 + 110 + 180),
    Bar(NINE + MINUTE, 90, 90, 90, 90, 0, 790),
    Bar(NINE + 2 * MINUTE, 95, 96, 95, 96, 7, 790 + 285 + 384),
]


def test_a_bar_holds_its_minute_as_far_as_it_is() -> None:
    """KIS-063, OB-802: open, high, low, close, shares, KRW since the day began; a running minute knows nothing later."""
    end = NINE + 10 * MINUTE
    assert [bar(SERIES, NINE + n * MINUTE, end) for n in range(3)] == MINUTES
    assert bar(SERIES, NINE, NINE + 30_000) == Bar(NINE, 100, 110, 100, 110, 6, 610)
    assert bar(SERIES, NINE - MINUTE, end) is None


def test_bars_come_newest_first_until_the_first_trade() -> None:
    """KIS-065: at or before the time that was asked for, none after now."""
    assert list(bars_back(SERIES, NINE + 2 * MINUTE, NINE + 10 * MINUTE)) == MINUTES[::-1]
    assert list(bars_back(SERIES, NINE + 9 * MINUTE, NINE + MINUTE + 1)) == MINUTES[1::-1]
    assert list(bars_back(SERIES, NINE - 1, NINE + MINUTE)) == []


def test_a_future_minute_is_padded_only_as_a_trap() -> None:
    """KIS-064: padded with the current price; a minute without a trade shows the volume of the one before."""
    found = list(padded(SERIES, NINE + 3 * MINUTE, NINE + MINUTE + 1))
    assert [(one.minute_ms, one.close, one.shares) for one in found] == [
        (NINE + 3 * MINUTE, 90, 0), (NINE + 2 * MINUTE, 90, 0), (NINE + MINUTE, 90, 8), (NINE, 90, 8),
    ]  # fmt: skip
    assert list(padded(SERIES, NINE - 1, NINE + 1)) == []
    assert list(padded(SERIES, NINE, NINE + 1)) == [bar(SERIES, NINE, NINE + 1)]


def test_a_row_is_labelled_with_the_begin_or_the_end() -> None:
    """KIS-063, KIS-289: HHMM00, begin of the minute; label_end the end."""
    row = bar_row(MINUTES[0], "20131007", label_end=False)
    assert row == {
        "stck_bsop_date": "20131007", "stck_cntg_hour": "090000", "stck_oprc": "100", "stck_hgpr": "110", "stck_lwpr": "90",
        "stck_prpr": "90", "cntg_vol": "8", "acml_tr_pbmn": "790",
    }  # fmt: skip
    assert bar_row(MINUTES[0], "20131007", label_end=True)["stck_cntg_hour"] == "090100"


@given(st.integers(NINE, NINE + 390 * MINUTE))
def test_the_bars_of_a_day_add_up_to_its_totals(now_ms: int) -> None:
    """OB-802, KIS-071: shares of all bars are ACML_VOL, the newest bar's value is ACML_TR_PBMN."""
    series = bundled("990001")
    found = list(bars_back(series, now_ms, now_ms))
    happened = series.happened(now_ms)
    last = series.trades[happened - 1] if happened else None
    assert sum(one.shares for one in found) == (last.chain_shares if last else 0)
    assert [one.chain_value for one in found[:1]] == ([last.chain_value] if last else [])


@pytest.mark.parametrize(
    ("day", "kept"),
    [("20131007", True), ("20131004", True), ("20131006", False), ("20131008", False), ("20121007", False), ("20121008", True),
     ("x", False), ("20131399", False)],
)  # fmt: skip
def test_a_year_of_weekdays_is_kept(day: str, kept: bool) -> None:
    """KIS-050: a past day, about a year kept."""
    assert is_kept(day, "20131007") == kept


def test_the_session_before_a_monday_is_friday() -> None:
    assert session_before("20131007") == "20131004"
    assert session_before("20131004") == "20131003"
