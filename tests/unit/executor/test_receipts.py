"""Simulated receipts: round trip, every damage, bytes at random."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import rv32
from tests.compiled import READABLE

from veritape.executor.claims import ClaimReason
from veritape.executor.receipts import CALLED, MAX_FILE_BYTES, ReceiptReason, describe_trap, parse_receipt
from veritape.executor.vm.machine import execute
from veritape.kernel.errors import PeerError
from veritape.stark.hashing import sponge

IMAGE = rv32.image([*rv32.call(2, rv32.RAM, 8), *rv32.halt()], b"journal!")
RECEIPT = READABLE.run(IMAGE, b"input")
GOOD = RECEIPT.to_bytes()
JOURNAL_AT = 12 + 120 + 4


def resealed(data: bytes) -> bytes:
    """Return a body with a checksum that is right: damage that the checksum does not find."""
    return data + hashlib.sha256(data).digest()


def reason(data: bytes) -> object:
    with pytest.raises(PeerError) as caught:
        parse_receipt(data, sponge)
    return caught.value.reason


def test_a_receipt_is_read_as_it_was_written() -> None:
    """EX-314: claim, journal and detail come back; the layout is that of the format."""
    assert parse_receipt(GOOD, sponge) == RECEIPT
    assert GOOD[:12] == b"VTSIM001\1\0\0\0"
    assert GOOD[12:132] == RECEIPT.claim.to_bytes()
    assert GOOD[JOURNAL_AT : JOURNAL_AT + 8] == b"journal!"
    assert len(GOOD) == JOURNAL_AT + 8 + 13 * 8 + 32


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ReceiptReason.WRONG_MAGIC),
        (b"VTPRF001" + GOOD[8:], ReceiptReason.WRONG_MAGIC),
        (GOOD[:100], ReceiptReason.TRUNCATED),
        (GOOD[:-1], ReceiptReason.CHECKSUM_MISMATCH),
        (bytes(MAX_FILE_BYTES + 1), ReceiptReason.TOO_LARGE),
        (resealed(GOOD[:8] + b"\2\0" + GOOD[10:-32]), ReceiptReason.UNSUPPORTED_VERSION),
        (resealed(GOOD[:10] + b"\1\0" + GOOD[12:-32]), ReceiptReason.RESERVED_NOT_ZERO),
        (resealed(GOOD[:12] + b"X" + GOOD[13:-32]), ClaimReason.WRONG_DOMAIN),
        (resealed(GOOD[: JOURNAL_AT - 4] + b"\4" + GOOD[JOURNAL_AT - 3 : -32]), ReceiptReason.BAD_LENGTH),
        (resealed(GOOD[:-36]), ReceiptReason.TRUNCATED),
        (resealed(GOOD[:-32] + b"more"), ReceiptReason.TRAILING_BYTES),
        (resealed(GOOD[:JOURNAL_AT] + b"J" + GOOD[JOURNAL_AT + 1 : -32]), ReceiptReason.JOURNAL_MISMATCH),
    ],
)
def test_each_bad_receipt_has_its_reason(data: bytes, expected: object) -> None:
    """EX-714: each field changed, with the checksum recomputed where that is needed to get there."""
    assert reason(data) is expected


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 33), st.integers(1, 255), st.booleans())
def test_no_changed_byte_gives_the_same_receipt(place: int, flip: int, seal: bool) -> None:
    """EX-809: a changed byte is refused or, in the unproven detail alone, seen."""
    broken = bytearray(GOOD[:-32])
    broken[place] ^= flip
    data = resealed(bytes(broken)) if seal else bytes(broken) + GOOD[-32:]
    assert refused_or_other(data)


def refused_or_other(data: bytes) -> bool:
    """Tell whether bytes are refused with a reason, or read as another receipt."""
    try:
        return parse_receipt(data, sponge) != RECEIPT
    except PeerError as error:
        return isinstance(error.reason, ReceiptReason | ClaimReason)


@given(st.binary(max_size=400))
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    """EX-809: any bytes are refused with a reason."""
    for candidate in (data, b"VTSIM001" + data):
        with pytest.raises(PeerError):
            parse_receipt(candidate, sponge)


def test_a_trap_yields_no_receipt() -> None:
    """EX-110: only what halted is claimed; the message says where it trapped."""
    with pytest.raises(PeerError, match="breakpoint at pc 0x00010000") as caught:
        READABLE.run(rv32.image([rv32.EBREAK]), b"")
    assert caught.value.reason is ReceiptReason.GUEST_FAILED
    assert describe_trap(execute(IMAGE, b"")) == "halted with exit code 0"


def test_nothing_of_a_simulated_receipt_sounds_like_a_proof() -> None:
    """EX-311: no field and no base that a proven receipt could share."""
    assert CALLED == "executed, not proven"
    assert type(RECEIPT).__mro__[1:] == (object,)
    assert not {"proof", "commitment", "seal"} & set(vars(RECEIPT))
