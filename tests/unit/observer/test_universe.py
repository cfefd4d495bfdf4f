"""Master files and the day's universe."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.errors import PeerError
from veritape.observer import universe
from veritape.observer.universe import Listed, MasterFile, UniverseReason
from veritape.replay.symbols import BUNDLED, master_archive, master_line, symbol_of
from veritape.wire.kis.master import KOSPI

STAMP = (2013, 10, 7, 5, 0, 0)
GOOD = master_line(symbol_of("990001"), 1_819_000)


def archive(*lines: bytes) -> bytes:
    return master_archive(KOSPI, lines, STAMP)


def read(*lines: bytes) -> MasterFile:
    return universe.read_archive(archive(*lines), KOSPI)


def changed(name: str, text: str) -> bytes:
    span = KOSPI.fields[name]
    return GOOD[: span.start] + text.encode("cp949").ljust(span.end - span.start) + GOOD[span.end :]


def test_the_worked_line_becomes_a_symbol() -> None:
    """KIS-264, OB-103, OB-110: bytes are sliced before they are decoded."""
    assert universe.parse_line(GOOD, KOSPI) == Listed(
        "990001", "아이비엠", "ST", 1_819_000, 3_512_044, 19_925_781, etp="", spac=False, halted=False, liquidation=False,
        administrative=False, isin="KR7990001000", market="KOSPI", preferred=False,
    )  # fmt: skip


@pytest.mark.parametrize("code", BUNDLED)
def test_both_layouts_are_read(code: str) -> None:
    """KIS-081: KOSPI and KOSDAQ."""
    symbol = symbol_of(code)
    listed = universe.parse_line(master_line(symbol, 139_000), symbol.layout)
    assert isinstance(listed, Listed)
    assert (listed.code, listed.reference_price, listed.previous_shares) == (
        code,
        139_000,
        symbol.previous_shares,
    )
    assert listed.market == symbol.layout.member[:-9].upper()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD[:-1], UniverseReason.BAD_LENGTH),
        (changed("mksc_shrn_iscd", "99"), UniverseReason.BAD_CODE),
        (changed("stnd_iscd", "KR7990001001"), UniverseReason.BAD_ISIN),
        (changed("stnd_iscd", "KR79900010"), UniverseReason.BAD_ISIN),
        (changed("stck_sdpr", "00x"), UniverseReason.BAD_NUMBER),
        (changed("trht_yn", "X"), UniverseReason.BAD_FLAG),
        (GOOD[:21] + b"\xff" * 40 + GOOD[61:], UniverseReason.BAD_ENCODING),
    ],
)
def test_every_refusal_of_a_line(line: bytes, reason: UniverseReason) -> None:
    """KIS-083, KIS-088: dropped with its reason."""
    assert universe.parse_line(line, KOSPI) is reason


def test_bad_lines_are_named_and_too_many_refuse_the_file() -> None:
    """OB-110: rejected with line number; more than 1 % refuse the file."""
    lines = [master_line(symbol_of(f"1{number:05}"), 5_000) for number in range(199)]
    file = read(*lines, GOOD[:-1])
    assert (len(file.listed), file.rejected) == (199, ((200, UniverseReason.BAD_LENGTH),))
    duplicate = read(*lines, lines[0])
    assert duplicate.rejected == ((200, UniverseReason.DUPLICATE_CODE),)
    with pytest.raises(PeerError) as refusal:
        read(*lines[:50], GOOD[:-1])
    assert refusal.value.reason is UniverseReason.MASTER_MALFORMED
    assert read(GOOD + b"\r").listed[0].code == "990001"


def test_a_zip_is_one_member_of_the_expected_name() -> None:
    """KIS-084: anything else is bad_zip."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as other:
        other.writestr("else.mst", b"x")
    good = bytearray(archive(GOOD))
    good[60] ^= 0xFF
    for data in (b"", b"PK", target.getvalue(), bytes(good), bytes(9 << 20)):
        with pytest.raises(PeerError) as refusal:
            universe.read_archive(data, KOSPI)
        assert refusal.value.reason is UniverseReason.BAD_ZIP


def test_a_file_must_be_newer_than_the_last_session() -> None:
    """OB-104: else master_stale."""
    file = read(GOOD)
    universe.require_fresh(file, "2013-10-04 15:30:00")
    with pytest.raises(PeerError) as refusal:
        universe.require_fresh(file, "2013-10-07 15:30:00")
    assert refusal.value.reason is UniverseReason.MASTER_STALE


@given(
    st.binary(max_size=300)
    | st.tuples(st.integers(0, 287), st.binary(min_size=1, max_size=4)).map(
        lambda change: (GOOD[: change[0]] + change[1] + GOOD[change[0] + len(change[1]) :])[:288]
    )
)
def test_any_line_is_a_symbol_or_a_reason(line: bytes) -> None:
    """OB-992, KIS-T06: total."""
    assert isinstance(universe.parse_line(line, KOSPI), Listed | UniverseReason)


@given(st.binary(max_size=200))
def test_any_archive_is_read_or_refused(data: bytes) -> None:
    """OB-992: total."""
    try:
        universe.read_archive(data, KOSPI)
    except PeerError:
        return
