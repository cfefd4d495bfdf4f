"""Symbols and master files."""

import io
import zipfile

import pytest

from veritape.replay.symbols import BUNDLED, isin, master_archive, master_line, symbol_of
from veritape.wire.kis.master import KOSDAQ, KOSPI

LINE_264 = (
    "990001   KR7990001000아이비엠                                ST1002700130000 NN5YYY NYNYNNNNN0NNNNNNNY"
    "0018190000000100001NNN00NNN000000020Y0900000035120440000000001001975061100000000109542500000000010954250000012"
    "      00NNYY00010450700002190200002190216604000072.5320130630019925781001NNN"
)


def test_the_worked_line_is_written_byte_for_byte() -> None:
    """KIS-264: line of 990001."""
    assert master_line(symbol_of("990001"), 1_819_000).decode("cp949") == LINE_264


@pytest.mark.parametrize("code", BUNDLED)
def test_every_line_has_the_length_of_its_market(code: str) -> None:
    """KIS-080: 288 and 282 bytes."""
    symbol = symbol_of(code)
    line = master_line(symbol, 139_000)
    assert len(line) == symbol.layout.line_bytes
    start, end = symbol.layout.fields["prdy_vol"]
    assert int(line[start:end]) == symbol.previous_shares


@pytest.mark.parametrize(("code", "expected"), [("005930", "KR7005930003"), ("990001", "KR7990001000")])
def test_the_check_digit(code: str, expected: str) -> None:
    """KIS-083: ISO 6166."""
    assert isin(code) == expected


def test_an_archive_has_one_member_with_the_files_date() -> None:
    """KIS-084, KIS-086: one member of the expected stem; its time stamp is the file's date."""
    archive = zipfile.ZipFile(io.BytesIO(master_archive(KOSDAQ, [b"a", b"b"], (2013, 10, 7, 5, 0, 0))))
    (member,) = archive.infolist()
    assert (member.filename, member.date_time) == ("kosdaq_code.mst", (2013, 10, 7, 5, 0, 0))
    assert archive.read(member) == b"a\nb\n"


def test_an_unknown_code_is_a_symbol_too() -> None:
    assert symbol_of("123456").layout is KOSPI
