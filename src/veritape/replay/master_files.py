"""The two master files as the broker serves them, and their faults (KIS-080 to 088)."""

from collections.abc import Iterable
from typing import Final

from veritape.replay.faults import Faults
from veritape.replay.market import Market
from veritape.replay.symbols import Symbol, master_archive, master_line
from veritape.wire.kis.master import KOSPI, Layout

ADDED_FROM: Final = 980_000
"""First invented code of ``master_add``."""

ADDED_PRICE_KRW: Final = 10_000
"""Base price of an invented code."""


def archive(
    market: Market, layout: Layout, faults: Faults, tape_ms: int, stamp: tuple[int, int, int]
) -> bytes:
    """Return a market's archive.

    Args:
        market: whose codes are listed.
        layout: which of the two files.
        faults: what was asked for.
        tape_ms: tape clock, for the windows of faults.
        stamp: year, month, day of the file.
    """
    lines = _kept(_lines(market, layout), faults, tape_ms)
    added = faults.active("master_add", tape_ms)
    if added is not None and layout is KOSPI:
        lines += [_added(ADDED_FROM + number) for number in range(int(added.number))]
    bad = faults.active("master_bad", tape_ms)
    kind = bad.word if bad else ""
    if kind and lines:
        lines = [*spoiled(lines[0], layout, kind), *lines[1:]]
    data = master_archive(layout, lines, (*stamp, 5, 0, 0))
    return data[: len(data) // 2] if kind == "bad_zip" else data


def spoiled(line: bytes, layout: Layout, kind: str) -> list[bytes]:
    """Return what becomes of a line with one of the refusals of KIS-088."""
    if kind == "bad_length":
        return [line[:-1]]
    if kind == "duplicate_code":
        return [line, line]
    field, value = _SPOILT.get(kind, ("", b""))
    if not field:
        return [line]
    start, end = layout.fields[field]
    spoilt = value.ljust(end - start)[: end - start] if value else _wrong_check_digit(line[start:end])
    return [line[:start] + spoilt + line[end:]]


_SPOILT: Final = {
    "bad_encoding": ("hts_kor_isnm", b"\xff\xff\xff\xff"),
    "bad_isin": ("stnd_iscd", b""),
    "bad_number": ("stck_sdpr", b"00181X000"),
    "bad_date": ("stck_lstn_date", b"20131399"),
    "bad_flag": ("trht_yn", b"Q"),
}
"""Kind -> field that is written over, and with what."""


def _wrong_check_digit(isin: bytes) -> bytes:
    return isin[:-1] + str((int(isin[-1:]) + 1) % 10).encode()


def _lines(market: Market, layout: Layout) -> list[bytes]:
    return [
        master_line(quoted.listing.symbol, quoted.listing.open_price)
        for _, quoted in sorted(market.quoted.items())
        if quoted.listing.symbol.layout is layout
    ]


def _kept(lines: Iterable[bytes], faults: Faults, tape_ms: int) -> list[bytes]:
    """Leave out the share of ``master_collapse``, from the file's end."""
    all_lines = list(lines)
    collapse = faults.active("master_collapse", tape_ms)
    return all_lines[: len(all_lines) - round(collapse.number * len(all_lines))] if collapse else all_lines


def _added(code: int) -> bytes:
    return master_line(Symbol(str(code), str(code), KOSPI, 1_000_000, 1_000_000), ADDED_PRICE_KRW)
