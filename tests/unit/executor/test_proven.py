"""Files of proofs: round trip, every field changed, bytes at random."""

import hashlib
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import rv32
from tests.compiled import READABLE, SIMULATOR

from veritape.executor.claims import ClaimReason
from veritape.executor.proven import ProvenReceipt, VerifyReason, read_proven, refuse_simulated
from veritape.executor.receipts import MAX_FILE_BYTES
from veritape.kernel.errors import PeerError
from veritape.stark.hashing import sponge

IMAGE = rv32.image([*rv32.call(2, rv32.RAM, 8), *rv32.halt()], b"journal!")
SIMULATED = READABLE.run(IMAGE, b"input")
OTHER = READABLE.run(IMAGE, b"other")
PARAMETERS = bytes(range(32))
ACCEPTED = frozenset({PARAMETERS})
RECEIPT = ProvenReceipt(
    PARAMETERS, (SIMULATED.claim, OTHER.claim), (SIMULATED.journal, OTHER.journal), b"no real proof"
)
GOOD = RECEIPT.to_bytes()
CLAIMS_AT = 48
JOURNALS_AT = CLAIMS_AT + 240


def resealed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def changed(place: int, data: bytes) -> bytes:
    return resealed(GOOD[:place] + data + GOOD[place + len(data) : -32])


def reason(data: bytes, accepted: frozenset[bytes] = ACCEPTED) -> object:
    with pytest.raises(PeerError) as caught:
        read_proven(data, accepted, sponge)
    return caught.value.reason


def test_the_layout_is_that_of_the_format() -> None:
    """EX-313: magic, version, flags, parameters, claims, journals, proof, SHA-256 of all before."""
    assert GOOD[:12] == b"VTPRF001\1\0\0\0"
    assert GOOD[12:44] == PARAMETERS
    assert GOOD[44:48] == struct.pack("<I", 2)
    assert GOOD[CLAIMS_AT:JOURNALS_AT] == SIMULATED.claim.to_bytes() + OTHER.claim.to_bytes()
    assert GOOD[JOURNALS_AT : JOURNALS_AT + 24] == b"\x08\0\0\0journal!" * 2
    assert GOOD[JOURNALS_AT + 24 : -32] == struct.pack("<I", 13) + b"no real proof"
    assert GOOD[-32:] == hashlib.sha256(GOOD[:-32]).digest()
    assert read_proven(GOOD, ACCEPTED, sponge) == RECEIPT


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytes(MAX_FILE_BYTES + 1), VerifyReason.TOO_LARGE),
        (b"", VerifyReason.WRONG_MAGIC),
        (b"VTAGG001" + GOOD[8:], VerifyReason.WRONG_MAGIC),
        (SIMULATED.to_bytes(), VerifyReason.SIMULATED_NOT_PROVEN),
        (GOOD[:70], VerifyReason.TRUNCATED),
        (GOOD[:-1], VerifyReason.CHECKSUM_MISMATCH),
        (GOOD + b"\0", VerifyReason.CHECKSUM_MISMATCH),
        (changed(8, b"\2"), VerifyReason.UNSUPPORTED_VERSION),
        (changed(10, b"\1"), VerifyReason.RESERVED_NOT_ZERO),
        (changed(44, struct.pack("<I", 0)), VerifyReason.EMPTY_LIST),
        (changed(44, struct.pack("<I", 65_537)), VerifyReason.TOO_MANY_CLAIMS),
        (changed(44, struct.pack("<I", 60_000)), VerifyReason.TRUNCATED),
        (changed(CLAIMS_AT, b"X"), VerifyReason.WRONG_DOMAIN),
        (changed(CLAIMS_AT + 4, b"\7"), VerifyReason.UNSUPPORTED_VERSION),
        (changed(CLAIMS_AT + 8, b"\xff" * 4), VerifyReason.NONCANONICAL_DIGEST),
        (changed(CLAIMS_AT + 108, b"\7"), VerifyReason.BAD_LENGTH),
        (changed(CLAIMS_AT + 112, bytes(8)), VerifyReason.BAD_CYCLES),
        (changed(JOURNALS_AT, b"\xff\xff"), VerifyReason.TRUNCATED),
        (resealed(GOOD[:-34]), VerifyReason.TRUNCATED),
        (resealed(GOOD[:-32] + b"more"), VerifyReason.TRAILING_BYTES),
        (changed(JOURNALS_AT + 4, b"J"), VerifyReason.JOURNAL_MISMATCH),
        (replace(RECEIPT, claims=(SIMULATED.claim,) * 2).to_bytes(), VerifyReason.DUPLICATE_CLAIM),
        (changed(12, b"other"), VerifyReason.PARAMETERS_NOT_ACCEPTED),
    ],
)
def test_each_bad_file_has_its_reason(data: bytes, expected: VerifyReason) -> None:
    """EX-316: the first failure in the order of the checks counts."""
    assert reason(data) is expected


def test_without_a_proof_system_nothing_is_accepted() -> None:
    """EX-315: the accepted parameters are the verifier's own; with none, no file passes whatever it says."""
    assert reason(GOOD, frozenset()) is VerifyReason.PARAMETERS_NOT_ACCEPTED


def test_a_relabelled_simulation_is_no_proof() -> None:
    """EX-716: a simulated file is refused by its magic, and under another magic by its checksum or its form."""
    data = SIMULATED.to_bytes()
    assert reason(b"VTPRF001" + data[8:]) is VerifyReason.CHECKSUM_MISMATCH
    assert reason(resealed(b"VTPRF001" + data[8:-32])) is VerifyReason.TOO_MANY_CLAIMS
    with pytest.raises(PeerError, match="executed, not proven"):
        refuse_simulated(data)
    refuse_simulated(GOOD)


def test_the_two_kinds_share_nothing() -> None:
    """EX-311: unrelated classes without a common base; every reason of a claim is one of a file."""
    assert ProvenReceipt.__mro__[1:] == type(SIMULATED).__mro__[1:] == (object,)
    assert {claim.value for claim in ClaimReason} <= {one.value for one in VerifyReason}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 33), st.integers(1, 255), st.booleans(), st.integers(0, 40))
def test_no_change_gives_the_same_receipt(place: int, flip: int, seal: bool, cut: int) -> None:
    """EX-714: a flipped byte or a cut end is refused, or leaves other claims or another proof for the proof's check."""
    body = bytearray(GOOD[:-32])
    body[place] ^= flip
    shorter = bytes(body[: len(body) - cut])
    data = resealed(shorter) if seal else shorter + GOOD[-32:]
    assert refused_or_other(data)


def refused_or_other(data: bytes) -> bool:
    """Tell whether bytes are refused with a reason, or hold another receipt than the good one."""
    try:
        return read_proven(data, ACCEPTED, SIMULATOR.sponge) != RECEIPT
    except PeerError as error:
        return isinstance(error.reason, VerifyReason)
