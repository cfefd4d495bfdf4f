"""Three authorities on sessions."""

import json
import subprocess
import sys
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.errors import PeerError
from veritape.observer.business_days import (
    Authority,
    Calendar,
    ExchangeTable,
    broker_days,
    read_exchange_table,
)
from veritape.observer.sessions import USUAL, Hours, clock_seconds, phase_at, read_overrides
from veritape.observer.track_a import grid

ROOT = Path(__file__).resolve().parents[3]
CALENDARS = files("veritape.observer") / "calendars"
TABLE = read_exchange_table((CALENDARS / "xkrx.json").read_bytes())
SHIPPED = read_overrides((CALENDARS / "calendar.toml").read_bytes(), "calendar.toml")
SHIFTED = Hours(clock_seconds("10:00"), clock_seconds("16:30"))
LATE = Hours(clock_seconds("10:00"), clock_seconds("15:30"))


def calendar(**broker: bool) -> Calendar:
    return Calendar(SHIPPED, {day.strip("d"): opened for day, opened in broker.items()}, TABLE)


def test_the_table_is_what_the_library_says() -> None:
    """OB-121, OB-122: exchange_calendars XKRX, every weekday since 2013; a newer library shows here."""
    script = ROOT / "scripts" / "write_exchange_sessions.py"
    answer = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    ("day", "hours", "authority"),
    [
        ("20261119", SHIFTED, Authority.OVERRIDE),
        ("20251113", SHIFTED, Authority.OVERRIDE),
        ("20260102", LATE, Authority.OVERRIDE),
        ("20270104", LATE, Authority.OVERRIDE),
        ("20260603", None, Authority.OVERRIDE),
        ("20131007", USUAL, Authority.OVERRIDE),
        ("20131008", Hours(clock_seconds("09:00"), clock_seconds("15:00")), Authority.EXCHANGE),
        ("20131009", None, Authority.EXCHANGE),
        ("20201203", SHIFTED, Authority.EXCHANGE),
        ("20240102", LATE, Authority.EXCHANGE),
        ("20261120", USUAL, Authority.EXCHANGE),
        ("20261121", None, Authority.EXCHANGE),
        ("20261231", None, Authority.EXCHANGE),
        ("20400102", USUAL, Authority.WEEKDAYS),
        ("20400107", None, Authority.WEEKDAYS),
    ],
)
def test_the_shipped_calendar_by_example(day: str, hours: Hours | None, authority: Authority) -> None:
    """OB-1020, OB-123: exam day, first trading day, election day, replay day, weekend, holiday, beyond the table."""
    assert (calendar().hours(day), calendar().authority(day)) == (hours, authority)


def test_the_library_alone_is_wrong_about_elections_and_exams() -> None:
    """OB-122: why there are three: it opens 2026-06-03, and 2025-11-13 and 2026-11-19 at 09:00."""
    assert TABLE.hours("20260603") == USUAL
    assert TABLE.hours("20251113") == TABLE.hours("20261119") == USUAL
    assert TABLE.hours("20260102") == LATE


def test_the_authorities_speak_in_order() -> None:
    """OB-121: override, then the broker, then the library; the broker knows no hours."""
    one = calendar(d20261119=False, d20261120=False, d20260102=True, d20240102=True, d20261121=True)
    assert one.hours("20261119") == SHIFTED
    assert one.hours("20261120") is None
    assert one.hours("20240102") == LATE
    assert one.hours("20261121") == USUAL
    assert one.authority("20261120") is Authority.BROKER
    assert one.next_session("20261119") == "20261121"


def test_disagreements_are_shown_with_what_each_said() -> None:
    """OB-121: differences."""
    one = calendar(d20261119=True, d20261120=False, d20261123=True, d20260603=False, d20400107=True)
    assert one.differences("20261119") == {
        Authority.OVERRIDE: "10:00-16:30", Authority.EXCHANGE: "09:00-15:30", Authority.BROKER: "open",
    }  # fmt: skip
    assert one.differences("20261120") == {Authority.EXCHANGE: "09:00-15:30", Authority.BROKER: "closed"}
    assert one.differences("20260603")[Authority.EXCHANGE] == "09:00-15:30"
    assert one.differences("20261123") == one.differences("20260102") == one.differences("20400107") == {}


def test_a_session_is_found_from_any_day() -> None:
    """OB-104, OB-123: weekends, holidays and closed rows are passed over."""
    one = calendar()
    assert one.next_session("20260602") == "20260604"
    assert one.last_close("20261120") == "2026-11-19 16:30:00"
    assert one.last_close("20261123") == "2026-11-20 15:30:00"
    assert one.last_close("20131007") == "2013-10-04 15:00:00"


def test_a_half_day_shortens_everything_but_the_grid() -> None:
    """OB-1020, OB-123, OB-201: a half day has its own last cycles; an ordinary day has 40."""
    rows = read_overrides(
        b'[[day]]\ndate="2026-12-30"\nkind="session"\nopen="09:00"\nclose="12:00"\n', "c.toml"
    )
    half = Calendar(rows, {}, TABLE).hours("20261230")
    assert half == Hours(32_400, 43_200)
    assert [len(grid(hours, 10)) for hours in (USUAL, SHIFTED, half)] == [40, 40, 19]
    assert grid(SHIFTED, 10)[0] == grid(USUAL, 10)[0] + 3600
    assert phase_at(half, 43_200 - 1) is phase_at(USUAL, USUAL.close_s - 1)


@given(st.dates(date(2013, 1, 1), date(2031, 1, 1)))
def test_no_authority_opens_a_weekend_by_itself(day: date) -> None:
    """OB-121: only a row or the broker can."""
    text = day.strftime("%Y%m%d")
    if day.weekday() >= 5:
        assert calendar().hours(text) is None
    following = calendar().next_session(text)
    assert text < following <= (day + timedelta(days=15)).strftime("%Y%m%d")


def row(day: object, opened: object) -> dict[str, object]:
    return {
        "bass_dt": day,
        "wday_dvsn_cd": "01",
        "bzdy_yn": "Y",
        "tr_day_yn": "Y",
        "opnd_yn": opened,
        "sttl_day_yn": "Y",
    }


def test_the_brokers_rows_say_open_or_closed() -> None:
    """KIS-068, KIS-069, KIS-182: `opnd_yn` decides; no hours are in it."""
    output = [row("20261119", "Y"), row("20261121", "N")]
    assert broker_days({"output": output}) == {"20261119": True, "20261121": False}
    assert broker_days({"output": output[0]}) == {"20261119": True}


@pytest.mark.parametrize(
    "output",
    [None, "", [None], [row("2026111", "Y")], [row("20261399", "Y")], [row("20261119", "")], [row(5, "Y")], [{}],
     [row("\uff120261119", "Y")]],
)  # fmt: skip
def test_a_malformed_row_spoils_the_answer(output: object) -> None:
    """OB-991, OB-992: nothing of it is believed."""
    assert broker_days({"output": output}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["format", "first", "last", "usual", "closed", "special", "output", "bass_dt"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_document_is_read_or_refused(document: object) -> None:
    """OB-992: both readers are total."""
    if isinstance(document, dict):
        document["format"] = "veritape.exchange-sessions.v1"
        broker_days(document)
    try:
        assert isinstance(read_exchange_table(json.dumps(document).encode()), ExchangeTable)
    except PeerError:
        return


def test_another_format_is_refused() -> None:
    """OB-991: the table of another version."""
    with pytest.raises(PeerError, match="format 'x'"):
        read_exchange_table(b'{"format":"x"}')
