"""What the broker knows of a listed symbol beside its trades, and the master files' lines (KIS-080, KIS-264)."""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from veritape.wire.kis.master import KOSDAQ, KOSPI, Layout

KOSPI_TAIL: Final = (
    "ST1002700130000 NN5YYY NYNYNNNNN0NNNNNNNY0018190000000100001NNN00NNN000000020Y0900000035120440000000001001975061100"
    "000000109542500000000010954250000012      00NNYY00010450700002190200002190216604000072.5320130630019925781001NNN"
)
"""Bytes 61 to 288 of the worked line; fields that differ by symbol are written over."""

KOSDAQ_TAIL: Final = "ST" + "1" + " " * 218
"""Bytes 61 to 282: what is not stated stays blank."""

HUNDRED_MILLION: Final = 100_000_000
"""Won in one unit of market capitalisation."""

THOUSAND: Final = 1_000
"""Shares in one unit of listed shares."""


@dataclass(frozen=True)
class Symbol:
    """Static facts of a symbol."""

    code: str
    """Symbol on the wire."""
    name: str
    """Korean name, at most 40 bytes of cp949."""
    layout: Layout
    """Market, by its master file's layout."""
    previous_shares: int
    """Shares traded yesterday."""
    listed_thousand_shares: int
    """Listed shares in thousands."""


BUNDLED: Final = {
    symbol.code: symbol
    for symbol in (
        Symbol("990001", "아이비엠", KOSPI, 3_512_044, 1_095_425),
        Symbol("990002", "에이아이지", KOSPI, 11_204_310, 1_474_000),
        Symbol("990003", "뱅크오브아메리카", KOSDAQ, 80_155_020, 10_700_000),
        Symbol("99000K", "스파이", KOSPI, 110_400_200, 790_000),
    )
}
"""Symbols of the known tapes."""


def symbol_of(code: str) -> Symbol:
    """Return the facts of a code; those of an unknown one are invented, as its price is."""
    return BUNDLED.get(code) or Symbol(code, code, KOSPI, 1_000_000, 1_000_000)


def isin(code: str) -> str:
    """Return the Korean ISIN of a six-character code, with its check digit (ISO 6166)."""
    body = f"KR7{code}00"
    digits = [int(digit) for letter in body for digit in str(int(letter, 36))]
    doubled = [digit * 2 if place % 2 == 0 else digit for place, digit in enumerate(reversed(digits))]
    return body + str(-sum(digit // 10 + digit % 10 for digit in doubled) % 10)


def master_line(symbol: Symbol, base_price: int) -> bytes:
    """Return a symbol's line without its line feed.

    Args:
        symbol: whose line it is.
        base_price: won, the first price of the day.
    """
    layout = symbol.layout
    tail = KOSPI_TAIL if layout is KOSPI else KOSDAQ_TAIL
    line = bytearray(b" " * 61 + tail.encode())
    capital = (
        base_price * symbol.listed_thousand_shares * THOUSAND + HUNDRED_MILLION // 2
    ) // HUNDRED_MILLION
    values = {
        "mksc_shrn_iscd": symbol.code,
        "stnd_iscd": isin(symbol.code),
        "hts_kor_isnm": symbol.name,
        "stck_sdpr": f"{base_price:09}",
        "prdy_vol": f"{symbol.previous_shares:012}",
        "lstn_stcn": f"{symbol.listed_thousand_shares:015}",
        "prdy_avls_scal": f"{capital:09}",
        **({} if layout is KOSPI else _KOSDAQ_FIXED),
    }
    for name, value in values.items():
        start, end = layout.fields[name]
        line[start:end] = value.encode("cp949").ljust(end - start)
    return bytes(line)


_KOSDAQ_FIXED: Final = {
    "etpr_undt_objt_co_yn": "N", "short_over_cls_code": "0", "invt_alrm_yn": "N", "frml_mrkt_deal_qty_unit": "00001",
    "trht_yn": "N", "sltr_yn": "N", "mang_issu_yn": "N", "mrkt_alrm_cls_code": "00", "flng_cls_code": "00",
    "fcam_mod_cls_code": "00", "icic_cls_code": "00", "stck_lstn_date": "19750611", "prst_cls_code": "0",
}  # fmt: skip


def master_archive(
    layout: Layout, lines: Iterable[bytes], date_time: tuple[int, int, int, int, int, int]
) -> bytes:
    """Return a market's archive; its member's time stamp is the file's date (KIS-086)."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(layout.member, date_time), b"".join(line + b"\n" for line in lines))
    return target.getvalue()
