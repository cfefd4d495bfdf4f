"""Master files and their faults, cut by plain byte offsets."""

import io
import zipfile

import pytest
from tests.plain_client import tape

from veritape.replay.faults import parse
from veritape.replay.market import Market
from veritape.replay.master_files import archive
from veritape.replay.symbols import isin
from veritape.wire.kis.master import KOSDAQ, KOSPI, Layout

CODES = ("990001", "990002", "990003", "99000K")
MARKET = Market([tape(code) for code in CODES], "20131007")


def lines(*faults: str, layout: Layout = KOSPI) -> list[bytes]:
    data = archive(MARKET, layout, parse(faults), 0, (2013, 10, 7))
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        (info,) = file.infolist()
        assert (info.filename, info.date_time[:3]) == (layout.member, (2013, 10, 7))
        return file.read(info).split(b"\n")[:-1]


def codes(found: list[bytes]) -> list[str]:
    return [line[:9].decode().strip() for line in found]


def test_both_files_list_their_markets() -> None:
    """KIS-080, KIS-087: 288 and 282 bytes a line, each code in its market's file."""
    assert [(len(line), line[:6]) for line in lines()] == [
        (288, b"990001"),
        (288, b"990002"),
        (288, b"99000K"),
    ]
    assert [(len(line), line[:6]) for line in lines(layout=KOSDAQ)] == [(282, b"990003")]


@pytest.mark.parametrize("layout", [KOSPI, KOSDAQ])
def test_price_shares_and_capital_agree(layout: Layout) -> None:
    """KIS-085: base price x listed shares is the market capital within 1 or 1 %."""
    for line in lines(layout=layout):
        price, listed, capital = (
            int(line[slice(*layout.fields[name])]) for name in ("stck_sdpr", "lstn_stcn", "prdy_avls_scal")
        )
        exact = price * listed * 1000 / 10**8
        assert abs(exact - capital) <= max(1, capital / 100)


def test_files_shrink_and_grow() -> None:
    """OB-851: master_collapse leaves a share of the lines out, master_add invents codes."""
    assert codes(lines("master_collapse=0.67")) == ["990001"]
    assert codes(lines("master_collapse=1")) == []
    assert codes(lines("master_add=2")) == ["990001", "990002", "99000K", "980000", "980001"]
    assert codes(lines("master_add=2", layout=KOSDAQ)) == ["990003"]


def test_each_kind_of_damage_is_there() -> None:
    """KIS-088, KIS-220: master_bad=KIND spoils one line."""
    good = lines()
    assert [len(line) for line in lines("master_bad=bad_length")] == [287, 288, 288]
    assert codes(lines("master_bad=duplicate_code")) == ["990001", "990001", "990002", "99000K"]
    name = lines("master_bad=bad_encoding")[0][21:61]
    with pytest.raises(UnicodeDecodeError):
        name.decode("cp949")
    assert lines("master_bad=bad_isin")[0][9:21].decode() != isin("990001")
    assert lines("master_bad=bad_isin")[0][9:20] == good[0][9:20]
    assert not lines("master_bad=bad_number")[0][102:111].isdigit()
    assert lines("master_bad=bad_date")[0][166:174] == b"20131399"
    assert lines("master_bad=bad_flag")[0][121:122] == b"Q"
    for kind in ("bad_encoding", "bad_isin", "bad_number", "bad_date", "bad_flag"):
        spoilt = lines(f"master_bad={kind}")
        assert (len(spoilt[0]), spoilt[1:]) == (288, good[1:])


def test_a_bad_archive_is_no_archive() -> None:
    """KIS-084, KIS-220: master_bad=bad_zip."""
    with pytest.raises(zipfile.BadZipFile):
        lines("master_bad=bad_zip")
