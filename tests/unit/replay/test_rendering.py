"""Records on the wire against the protocol's worked frame."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import veritape.replay.tape
from veritape.replay import rendering
from veritape.replay.packing import pack
from veritape.replay.rendering import Listing, frame_text, listing_of
from veritape.replay.series import Series, build, read_rows
from veritape.replay.symbols import symbol_of

TAPE = Path(veritape.replay.tape.__path__[0])
FRAME_261 = (
    "0|H0STCNT0|003|"
    "990001^090014^1818700^5^-300^-0.02^1819066.73^1819000^1821400^1818500^1818800^1818700^100^1133^2061002600^3^4^1"
    "^211.26^364^769^5^0.68^0.03^090000^5^-300^090000^5^-2700^090001^2^200^20131007^20^N^1^1^1^1^0.00^0^0.00^0^^1819000^"
    "990001^090014^1818500^5^-500^-0.03^1819012.45^1819000^1821400^1818500^1818600^1818500^120^1253^2279222600^4^4^0"
    "^158.88^484^769^5^0.61^0.04^090000^5^-500^090000^5^-2900^090001^3^0^20131007^20^N^1^1^1^1^0.00^0^0.00^0^^1819000^"
    "990001^090014^1818500^5^-500^-0.03^1818974.58^1819000^1821400^1818500^1818600^1818500^100^1353^2461072600^5^4^-1"
    "^131.68^584^769^5^0.57^0.04^090000^5^-500^090000^5^-2900^090001^3^0^20131007^20^N^1^1^1^1^0.00^0^0.00^0^^1819000"
)


@pytest.fixture(scope="module")
def ibm() -> Series:
    name = "ibm_20131007_trade.zip"
    return build("990001", read_rows((TAPE / name).read_bytes(), name))


@pytest.fixture(scope="module")
def listing(ibm: Series) -> Listing:
    return listing_of(symbol_of("990001"), "20131007", ibm)


def test_the_worked_frame_is_rendered_byte_for_byte(ibm: Series, listing: Listing) -> None:
    """KIS-261: rows 7 to 9 of 990001, width 46, 689 bytes."""
    frame = next(frame for frame in pack([ibm]) if frame.end - frame.first == 3)
    assert frame_text(frame, ibm.trades, listing, 46) == FRAME_261
    assert len(FRAME_261) == 689


def test_the_present_width_appends_the_market_class(ibm: Series, listing: Listing) -> None:
    """KIS-262: each record is followed by ^2."""
    frame = next(frame for frame in pack([ibm]) if frame.end - frame.first == 3)
    text = frame_text(frame, ibm.trades, listing, 47)
    assert text.count("^") + 1 == 141
    assert text.endswith("1819000^2")


@given(st.integers(-(10**14), 10**14), st.integers(1, 10**9))
def test_quotients_are_rounded_half_away_from_zero(numerator: int, denominator: int) -> None:
    """KIS-140: rates carry two decimals."""
    text = rendering.ratio(numerator, denominator)
    error = Fraction(text) - Fraction(numerator, denominator)
    assert abs(error) <= Fraction(1, 200)
    assert abs(error) < Fraction(1, 200) or abs(Fraction(text)) > abs(Fraction(numerator, denominator))
    assert not text.startswith("-0.00")


def test_a_quotient_over_nothing_is_zero() -> None:
    assert rendering.ratio(5, 0) == "0.00"


@pytest.mark.parametrize(
    ("clock", "code"),
    [("085959", 1), ("090000", 2), ("152959", 2), ("153000", 5), ("155959", 5), ("160000", 3)],
)
def test_the_market_class_follows_the_clock(clock: str, code: int) -> None:
    """KIS-185: 2 in 09:00-15:30, 5 until 16:00, 3 after."""
    ms = (int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:])) * 1000
    assert rendering.market_class(ms) == code
    assert rendering.clock_text(ms) == clock


@pytest.mark.parametrize(("difference", "code"), [(1, 2), (0, 3), (-1, 5)])
def test_signs(difference: int, code: int) -> None:
    """KIS-140: 2 up, 3 same, 5 down."""
    assert rendering.sign(difference) == code


def test_no_record_has_what_python_kis_refuses(ibm: Series, listing: Listing) -> None:
    """KIS-148: signs 0 to 5, a session code from 1 to 4, times, and no empty number."""
    for trade in ibm.trades[::50]:
        fields = rendering.record(trade, listing, 46).split("^")
        assert fields[3] in "012345"
        assert fields[34][0] in "1234"
        assert all(len(fields[place]) == 6 and fields[place].isdigit() for place in (1, 24, 27, 30))
        assert all(fields[place] for place in (2, 4, *range(7, 12), *range(13, 17), 19, 20, 38, 39))
