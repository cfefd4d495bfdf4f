"""Which symbols exist: the master files, byte by byte (OB-101 to 110). Which of them are watched: ``membership``.

A master line is bytes: fields are sliced by offset first and decoded after, because a Korean name makes the character
count differ (KIS-080). A bad line is dropped with its number and reason; too many of them refuse the file.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from blake3 import blake3

from veritape.kernel.errors import PeerError
from veritape.wire.kis.frames import SYMBOL
from veritape.wire.kis.master import MEMBER_BYTES, ZIP_BYTES, Layout

REJECTED_SHARE: Final = 100
"""One line in this many may be bad; more refuse the file."""

FIRST_ARCHIVE: Final = 0
"""Index of the only member."""


class UniverseReason(StrEnum):
    """Why a line, a file or a list is refused (KIS-088, OB-104 to 110)."""

    BAD_ZIP = "bad_zip"
    """Not one member of the expected name, too large, or its checksum is wrong."""
    BAD_LENGTH = "bad_length"
    """A line of another width."""
    BAD_ENCODING = "bad_encoding"
    """The name is not cp949."""
    BAD_ISIN = "bad_isin"
    """The standard code has the wrong shape or check digit."""
    BAD_NUMBER = "bad_number"
    """A price or volume is no number."""
    BAD_FLAG = "bad_flag"
    """A flag is neither Y, N nor blank."""
    BAD_CODE = "bad_code"
    """The short code is no symbol of the wire."""
    DUPLICATE_CODE = "duplicate_code"
    """A code appears twice."""
    MASTER_MALFORMED = "master_malformed"
    """More than 1 % of the lines are bad."""
    MASTER_STALE = "master_stale"
    """The file is not newer than the last session."""
    UNIVERSE_COLLAPSED = "universe_collapsed"
    """The new list is far smaller than the last, or below the least count."""


class Listed(NamedTuple):
    """One listed symbol as the master file says."""

    code: str
    name: str
    group: str
    """Security group."""
    reference_price: int
    """Base price of the coming session, won."""
    previous_shares: int
    """Yesterday's volume."""
    market_cap_100m_krw: int
    """Market capitalisation, 100 million won."""
    etp: str
    """Class of an exchange-traded product; empty for none."""
    spac: bool
    halted: bool
    liquidation: bool
    administrative: bool
    isin: str
    market: str
    """``KOSPI`` or ``KOSDAQ``."""
    preferred: bool


class MasterFile(NamedTuple):
    """One market's file, read."""

    name: str
    """Member name."""
    size: int
    """Bytes of the archive."""
    blake3: str
    """Of the archive."""
    entry_time: str
    """The member's time stamp, Seoul: the file's date (KIS-086)."""
    listed: tuple[Listed, ...]
    """Good lines."""
    rejected: tuple[tuple[int, UniverseReason], ...]
    """Line number and reason of the bad ones."""


def read_archive(data: bytes, layout: Layout) -> MasterFile:
    """Read a market's archive.

    Raises:
        PeerError: the zip (``bad_zip``), or too many bad lines (``master_malformed``).
    """
    info, content = _unzip(data, layout)
    listed: list[Listed] = []
    rejected: list[tuple[int, UniverseReason]] = []
    seen: set[str] = set()
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line:
            continue
        outcome = parse_line(line.removesuffix(b"\r"), layout)
        if isinstance(outcome, Listed) and outcome.code in seen:
            outcome = UniverseReason.DUPLICATE_CODE
        if isinstance(outcome, Listed):
            seen.add(outcome.code)
            listed.append(outcome)
        else:
            rejected.append((number, outcome))
    if len(rejected) * REJECTED_SHARE > len(rejected) + len(listed):
        raise PeerError(f"{layout.member}: {len(rejected)} bad lines, first at {rejected[0][0]}: {rejected[0][1]}",
                        UniverseReason.MASTER_MALFORMED)  # fmt: skip
    stamp = "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*info.date_time)
    digest = blake3(data).hexdigest()
    return MasterFile(layout.member, len(data), digest, stamp, tuple(listed), tuple(rejected))


def require_fresh(file: MasterFile, last_close: str) -> None:
    """Check that a file is newer than the last session's close, ``YYYY-MM-DD HH:MM:SS`` (OB-104).

    Raises:
        PeerError: ``master_stale``.
    """
    if file.entry_time <= last_close:
        raise PeerError(
            f"{file.name}: dated {file.entry_time}, before {last_close}", UniverseReason.MASTER_STALE
        )


def parse_line(line: bytes, layout: Layout) -> Listed | UniverseReason:
    """Read one line; total."""
    if len(line) != layout.line_bytes:
        return UniverseReason.BAD_LENGTH
    try:
        field = {
            name: line[span.start : span.end].decode("cp949").strip(" ")
            for name, span in layout.fields.items()
        }
    except UnicodeDecodeError:
        return UniverseReason.BAD_ENCODING
    if problem := _problem(field):
        return problem
    price, volume, capital = (int(field[name]) for name in _NUMBERS)
    return Listed(
        code=field["mksc_shrn_iscd"],
        name=field["hts_kor_isnm"],
        group=field["scrt_grp_cls_code"],
        reference_price=price,
        previous_shares=volume,
        market_cap_100m_krw=capital,
        etp=field["etp_prod_cls_code"].strip("0"),
        spac=field["etpr_undt_objt_co_yn"] == "Y",
        halted=field["trht_yn"] == "Y",
        liquidation=field["sltr_yn"] == "Y",
        administrative=field["mang_issu_yn"] == "Y",
        isin=field["stnd_iscd"],
        market=layout.member.partition("_")[0].upper(),
        preferred=field["prst_cls_code"] not in {"", "0"},
    )


def _problem(field: Mapping[str, str]) -> UniverseReason | None:
    checks = (
        (UniverseReason.BAD_CODE, bool(_SYMBOL.fullmatch(field["mksc_shrn_iscd"]))),
        (UniverseReason.BAD_ISIN, _is_isin(field["stnd_iscd"])),
        (UniverseReason.BAD_FLAG, all(field[name] in {"Y", "N", ""} for name in _FLAGS)),
        (UniverseReason.BAD_NUMBER, all(_NUMBER.fullmatch(field[name]) for name in _NUMBERS)),
    )
    return next((reason for reason, passed in checks if not passed), None)


def _unzip(data: bytes, layout: Layout) -> tuple[zipfile.ZipInfo, bytes]:
    problem = ""
    if len(data) > ZIP_BYTES:
        problem = f"{len(data)} bytes"
    else:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members = archive.infolist()
                if (
                    len(members) == 1
                    and members[0].filename == layout.member
                    and members[0].file_size <= MEMBER_BYTES
                ):
                    with archive.open(members[FIRST_ARCHIVE]) as member:
                        return members[FIRST_ARCHIVE], member.read(MEMBER_BYTES)
                problem = f"members {', '.join(member.filename for member in members[:3])}"
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
            EOFError,
            OSError,
            ValueError,
            zlib.error,
        ) as error:
            problem = str(error)
    raise PeerError(f"{layout.member}.zip: not the expected archive: {problem}", UniverseReason.BAD_ZIP)


def _is_isin(text: str) -> bool:
    if not _ISIN.fullmatch(text):
        return False
    digits = [int(digit) for letter in text for digit in str(int(letter, 36))]
    doubled = [digit * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(digit // 10 + digit % 10 for digit in doubled) % 10 == 0


_SYMBOL: Final = re.compile(SYMBOL)
_ISIN: Final = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_NUMBERS: Final = ("stck_sdpr", "prdy_vol", "prdy_avls_scal")
_FLAGS: Final = ("etpr_undt_objt_co_yn", "trht_yn", "sltr_yn", "mang_issu_yn")
