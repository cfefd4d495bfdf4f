"""Files of inclusion proofs: each field, each reason."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO
from tests.worked_example import FIRST, SECOND, THIRD

from veritape.executor.claims import list_digest
from veritape.executor.inclusion import InclusionReason, path_of
from veritape.executor.inclusion_files import (
    DETACHED,
    MAGIC,
    InclusionProof,
    ListProof,
    is_inclusion,
    read_inclusion,
)
from veritape.executor.proven import VerifyReason
from veritape.executor.receipts import MAX_FILE_BYTES
from veritape.kernel.errors import PeerError

SPONGE = SIMULATOR.sponge
RECEIPTS = [SIMULATOR.run(ECHO, number.to_bytes(4, "little")) for number in range(5)]
CLAIMS = [receipt.claim for receipt in RECEIPTS]
DIGEST = list_digest(CLAIMS, SPONGE)
PARAMETERS = bytes(31) + b"p"
ACCEPTED = frozenset({PARAMETERS})
PATH = path_of(CLAIMS, 4, SPONGE)
MADE = InclusionProof(CLAIMS[4], RECEIPTS[4].journal, PATH, None)
WHOLE = replace(MADE, whole=ListProof(PARAMETERS, b"the proof"))


def sealed(body: bytes) -> bytes:
    """Return a body with the checksum that belongs to it."""
    return body + hashlib.sha256(body).digest()


def reason(data: bytes) -> object:
    with pytest.raises(PeerError) as caught:
        read_inclusion(data, ACCEPTED, SPONGE)
    assert caught.value.message.startswith(f"{caught.value.reason}: ")
    return caught.value.reason


@pytest.mark.parametrize("made", [MADE, WHOLE])
def test_what_is_written_is_read(made: InclusionProof) -> None:
    """EX-482: claim, journal, place and path give D again, detached and with a proof behind."""
    assert read_inclusion(made.to_bytes(), ACCEPTED, SPONGE) == (made, DIGEST)
    assert is_inclusion(made.to_bytes())


def test_the_fields_stand_where_the_format_says() -> None:
    """EX-482, EX-484: magic, version, flags, claim, journal, index, count, 32 bytes a level, then the proof, SHA-256 at the end."""
    for made, flags in ((MADE, DETACHED), (WHOLE, 0)):
        data = made.to_bytes()
        body = (
            MAGIC
            + b"\x01\0"
            + flags.to_bytes(2, "little")
            + CLAIMS[4].to_bytes()
            + b"\x04\0\0\0"
            + b"\x04\0\0\0"
        )
        body += (
            (4).to_bytes(4, "little")
            + (5).to_bytes(4, "little")
            + (96).to_bytes(4, "little")
            + b"".join(PATH.siblings)
        )
        body += b"" if made.whole is None else PARAMETERS + b"\x09\0\0\0the proof"
        assert data == sealed(body)
    assert len(MADE.to_bytes()) == 12 + 120 + 4 + 4 + 12 + 3 * 32 + 32


def test_the_worked_example_of_the_format() -> None:
    """EX-482, EX-287: the bytes that docs/formats/claim-and-receipt.md shows, and the D that the specification computes."""
    guide = (Path(__file__).resolve().parents[3] / "docs" / "formats" / "claim-and-receipt.md").read_text()
    example = guide.rpartition("```\n5654494e")[2]
    claims = [FIRST, SECOND, THIRD]
    made = InclusionProof(FIRST, b"", path_of(claims, 0, SPONGE), None)
    data = made.to_bytes()
    assert len(data) == 244
    shown = [data[:12], *made.path.siblings, data[-32:], list_digest(claims, SPONGE)]
    assert all(part.hex().removeprefix("5654494e") in example for part in shown)
    assert (
        list_digest(claims, SPONGE).hex()
        == "a6ebc2570ffbb72e9acd6b78aaea1205bbad9b6c15f0744c4100bf501931f321"
    )
    assert read_inclusion(data, frozenset(), SPONGE) == (made, list_digest(claims, SPONGE))


def changed(place: int, value: bytes) -> bytes:
    body = WHOLE.to_bytes()[:-32]
    return sealed(body[:place] + value + body[place + len(value) :])


JOURNAL_AT, PLACE_AT = 132, 140
CASES: dict[str, tuple[Callable[[], bytes], object]] = {
    "too large": (lambda: MAGIC + bytes(MAX_FILE_BYTES), VerifyReason.TOO_LARGE),
    "simulated": (RECEIPTS[0].to_bytes, VerifyReason.SIMULATED_NOT_PROVEN),
    "magic": (lambda: changed(0, b"VTPRF001"), VerifyReason.WRONG_MAGIC),
    "empty": (bytes, VerifyReason.WRONG_MAGIC),
    "short": (lambda: sealed(WHOLE.to_bytes()[:100]), VerifyReason.TRUNCATED),
    "checksum": (lambda: WHOLE.to_bytes()[:-1] + b"?", VerifyReason.CHECKSUM_MISMATCH),
    "version": (lambda: changed(8, b"\x02"), VerifyReason.UNSUPPORTED_VERSION),
    "settlement flag": (lambda: changed(10, b"\x02"), VerifyReason.RESERVED_NOT_ZERO),
    "claim": (lambda: changed(12, b"X"), VerifyReason.WRONG_DOMAIN),
    "claim digest": (lambda: changed(20, b"\xff" * 4), VerifyReason.NONCANONICAL_DIGEST),
    "count": (lambda: changed(PLACE_AT + 4, (65_537).to_bytes(4, "little")), VerifyReason.TOO_MANY_CLAIMS),
    "path bytes": (lambda: changed(PLACE_AT + 8, b"\x5f"), VerifyReason.BAD_LENGTH),
    "path over the end": (lambda: changed(PLACE_AT + 8, b"\xe0\xff"), VerifyReason.TRUNCATED),
    "journal over the end": (lambda: changed(JOURNAL_AT, b"\xff\xff\xff\xff"), VerifyReason.TRUNCATED),
    "cut": (lambda: sealed(WHOLE.to_bytes()[:-33]), VerifyReason.TRUNCATED),
    "more": (lambda: sealed(WHOLE.to_bytes()[:-32] + b"."), VerifyReason.TRAILING_BYTES),
    "proof in a detached one": (lambda: changed(10, b"\x01"), VerifyReason.TRAILING_BYTES),
    "parameters": (
        replace(WHOLE, whole=ListProof(bytes(32), b"")).to_bytes,
        VerifyReason.PARAMETERS_NOT_ACCEPTED,
    ),
    "journal": (replace(MADE, journal=b"abcd").to_bytes, VerifyReason.JOURNAL_MISMATCH),
    "journal's length": (replace(MADE, journal=bytes(8)).to_bytes, VerifyReason.JOURNAL_MISMATCH),
    "index": (replace(MADE, path=replace(PATH, index=5)).to_bytes, InclusionReason.INDEX_OUT_OF_RANGE),
    "path": (
        replace(MADE, path=replace(PATH, siblings=PATH.siblings[:2])).to_bytes,
        InclusionReason.PATH_LENGTH,
    ),
    "sibling": (lambda: changed(PLACE_AT + 12, b"\xff" * 4), InclusionReason.NONCANONICAL_DIGEST),
}


@pytest.mark.parametrize("name", CASES)
def test_each_fault_has_its_reason(name: str) -> None:
    """EX-482, EX-483, EX-719: the first failure counts, in the order of EX-316; no path leads to padding."""
    make, expected = CASES[name]
    assert reason(make()) is expected


@given(st.integers(0, len(MADE.to_bytes()) - 33), st.integers(1, 255))
def test_a_changed_byte_never_shows_the_same_inclusion(place: int, flip: int) -> None:
    """EX-714: any byte flipped, the checksum made anew: a reason, or another statement than the one before."""
    body = bytearray(MADE.to_bytes()[:-32])
    body[place] ^= flip
    try:
        found, digest = read_inclusion(sealed(bytes(body)), ACCEPTED, SPONGE)
    except PeerError:
        return
    assert (found, digest) != (MADE, DIGEST)
    assert digest != DIGEST


@given(st.integers(0, len(WHOLE.to_bytes()) - 1))
def test_a_cut_file_is_refused(length: int) -> None:
    """EX-714: truncated at any byte, with and without a checksum that fits."""
    assert isinstance(reason(WHOLE.to_bytes()[:length]), VerifyReason)
    assert isinstance(
        reason(sealed(WHOLE.to_bytes()[: min(length, len(WHOLE.to_bytes()) - 33)])), VerifyReason
    )
