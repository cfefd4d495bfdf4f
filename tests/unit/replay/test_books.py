"""Book frames, cut by plain splitting."""

import pytest
from tests.tape import bundled

from veritape.replay.books import book_frame
from veritape.replay.rendering import listing_of
from veritape.replay.symbols import symbol_of

SERIES = bundled("990001")
LISTING = listing_of(symbol_of("990001"), "20131007", SERIES)
TRADE = SERIES.trades[8]


def fields(tr_id: str, width: int) -> list[str]:
    flag, stream, count, payload = book_frame(tr_id, TRADE, LISTING, width).split("|", 3)
    assert (flag, stream, count) == ("0", tr_id, "001")
    return payload.split("^")


@pytest.mark.parametrize(
    ("tr_id", "width"),
    [
        ("H0STASP0", 59),
        ("H0STASP0", 62),
        ("H0STASP0", 63),
        ("H0NXASP0", 65),
        ("H0UNASP0", 65),
        ("H0UNASP0", 66),
    ],
)
def test_every_known_width_has_its_fields_in_their_places(tr_id: str, width: int) -> None:
    """KIS-160, KIS-122: symbol, time, ten levels of prices and sizes a side, totals, ACML_VOL at 53; no date."""
    found = fields(tr_id, width)
    assert len(found) == width
    assert found[:3] == ["990001", "090014", "0"]
    assert (found[3], found[13], found[23], found[33]) == (str(TRADE.price + 100), str(TRADE.price), "1", "1")
    assert all(
        found[place] == "0" for place in (*range(4, 13), *range(14, 23), *range(24, 33), *range(34, 43))
    )
    assert (found[43], found[44], found[53]) == ("1", "1", str(TRADE.chain_shares))
    assert "20131007" not in found
    assert all(text.lstrip("-").replace(".", "").isdigit() for text in found[1:])


def test_what_the_wider_ones_add() -> None:
    """KIS-160: mid price of KRX, then market class on KRX, mid price of NXT and expected venue elsewhere."""
    middle = str(TRADE.price + 50)
    assert fields("H0STASP0", 63)[59:] == [middle, "0", "0", "2"]
    assert fields("H0UNASP0", 66)[59:] == [middle, "0", "0", middle, "0", "0", "1"]


@pytest.mark.parametrize("width", [1, 47, 58, 64, 67, 99])
def test_an_unknown_width_is_cut_or_filled(width: int) -> None:
    """OB-804: other widths test the quarantine."""
    assert len(fields("H0STASP0", width)) == width
