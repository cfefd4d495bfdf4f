"""The calendar's rows and pages."""

import pytest

from veritape.replay import trading_days


def test_rows_have_flags_and_weekdays() -> None:
    """KIS-068: 01 Sunday to 07 Saturday; a weekday is open unless it is a holiday."""
    rows = trading_days.rows("20131004", "20131004", 5, ["20131008"])
    assert [(row["bass_dt"], row["wday_dvsn_cd"], row["opnd_yn"]) for row in rows] == [
        ("20131004", "06", "Y"), ("20131005", "07", "N"), ("20131006", "01", "N"), ("20131007", "02", "Y"),
        ("20131008", "03", "N"),
    ]  # fmt: skip
    assert set(rows[0]) == {"bass_dt", "wday_dvsn_cd", "bzdy_yn", "tr_day_yn", "opnd_yn", "sttl_day_yn"}


def test_pages_of_twenty_cover_the_calendar_once() -> None:
    """KIS-051, KIS-068: three pages, each date once."""
    days, start = [], "20131007"
    while start:
        days += [row["bass_dt"] for row in trading_days.rows("20131007", start, 20, ())]
        start = trading_days.following("20131007", start, 20) or ""
    assert len(days) == len(set(days)) == 60
    assert days == sorted(days)


def test_keys_end_with_blanks() -> None:
    """KIS-051: sent back byte for byte with their trailing blanks."""
    assert trading_days.key("20131007") == "20131007            "


@pytest.mark.parametrize(
    "text", ["", "2013-10-7", "20131399", "\uff12\uff10\uff11\uff13\uff11\uff10\uff10\uff17"]
)
def test_a_bad_date_is_no_date(text: str) -> None:
    try:
        found = trading_days.read_date(text)
    except ValueError:
        return
    raise AssertionError(found)
