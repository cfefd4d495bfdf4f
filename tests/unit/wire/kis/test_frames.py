"""Tables of the data frames."""

import ast
import re
from pathlib import Path

import pytest

from veritape.wire.kis import frames


def test_each_width_has_that_many_distinct_names() -> None:
    """KIS-122, KIS-124: the registry maps a transaction id and a width to names."""
    for (_, width), names in frames.FIELD_NAMES.items():
        assert len(names) == len(set(names)) == width


def test_positions_that_the_protocol_numbers() -> None:
    """KIS-140: the chain fields stand where the broker's table numbers them."""
    numbered = {0: "MKSC_SHRN_ISCD", 2: "STCK_PRPR", 12: "CNTG_VOL", 13: "ACML_VOL", 14: "ACML_TR_PBMN",
                15: "SELN_CNTG_CSNU", 16: "SHNU_CNTG_CSNU", 21: "CCLD_DVSN", 33: "BSOP_DATE",
                34: "NEW_MKOP_CLS_CODE", 43: "HOUR_CLS_CODE", 45: "VI_STND_PRC", 46: "MARKET_CLS_CODE"}  # fmt: skip
    assert {place: frames.TRADE_47[place] for place in numbered} == numbered
    assert frames.FIELD_NAMES[frames.TRADES_NXT, 46][21] == "CNTG_CLS_CODE"


@pytest.mark.parametrize(
    ("code", "legal"), [("005930", True), ("33626K", True), ("Q500001", True), ("5930", False)]
)
def test_symbols_carry_letters(code: str, legal: bool) -> None:
    """KIS-005, OB-002: digits only would drop listed shares."""
    assert bool(re.fullmatch(frames.SYMBOL, code)) == legal


def test_positions_of_the_book() -> None:
    """KIS-160, KIS-122: levels, totals and the shares of the day stand where the broker's table numbers them."""
    numbered = {0: "MKSC_SHRN_ISCD", 1: "BSOP_HOUR", 3: "ASKP1", 12: "ASKP10", 13: "BIDP1", 22: "BIDP10", 23: "ASKP_RSQN1",
                33: "BIDP_RSQN1", 42: "BIDP_RSQN10", 43: "TOTAL_ASKP_RSQN", 47: "ANTC_CNPR", 53: "ACML_VOL",
                58: "STCK_DEAL_CLS_CODE", 59: "KMID_PRC", 62: "NMID_PRC", 65: "ANTC_EXCH_CLS_CODE"}  # fmt: skip
    assert {place: frames.BOOK_66[place] for place in numbered} == numbered
    assert frames.BOOK_63[62] == "MARKET_CLS_CODE"


def test_the_two_sides_share_names_and_widths_and_no_code() -> None:
    """KIS-007: the wire's modules define no public function; broker and recorder do not import each other."""
    source = Path(frames.__file__).parents[2]
    for module in sorted((source / "wire" / "kis").glob("*.py")):
        tree = ast.parse(module.read_text())
        functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        assert [name for name in functions if not name.startswith("_")] == []
    for package, other in (("replay", "observer"), ("observer", "replay")):
        for module in sorted((source / package).rglob("*.py")):
            assert f"veritape.{other}" not in module.read_text().replace(f"veritape.{other}.v", ""), module


def test_every_stream_has_a_present_width() -> None:
    """KIS-122: the newest width of each stream, oldest first in the table of known ones."""
    assert frames.PRESENT_WIDTHS == {
        "H0STCNT0": 47, "H0NXCNT0": 47, "H0UNCNT0": 47, "H0STASP0": 63, "H0NXASP0": 65, "H0UNASP0": 66, "H0STANC0": 45,
        "H0STMKO0": 11, "H0STCNI0": 26, "H0STCNI9": 26,
    }  # fmt: skip
    for widths in frames.KNOWN_WIDTHS.values():
        assert list(widths) == sorted(widths)
    for (_, width), names in frames.OTHER_NAMES.items():
        assert len(names) == len(set(names)) == width
