"""``SimulatedReceipt``: a claim whose program was executed, not proven (EX-311, 312, 314).

It says what somebody's machine computed and carries no evidence beyond that: whoever doubts it executes again. The type has no
base in common with a proven receipt and no conversion to one; its file begins with ``VTSIM001`` and holds no field that
could be taken for a proof. The checksum finds damage and is no evidence either.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veritape.executor.claims import CLAIM_BYTES, Claim, decode_claim, parse_claim
from veritape.executor.digests import Tag, bytes_digest
from veritape.executor.vm.execution import CYCLE_CLASSES, Detail, Execution
from veritape.kernel.errors import PeerError
from veritape.stark.hashing import Sponge

MAGIC: Final = b"VTSIM001"
"""First 8 bytes of a simulated receipt's file."""

PROVEN_MAGICS: Final = frozenset({b"VTPRF001", b"VTAGG001", b"VTINC001", b"VTSET001"})
"""Magics of what other steps write; never read here."""

SUFFIX = ".sim"
"""File name suffix; the magic decides, the suffix never."""

CALLED = "executed, not proven"
"""What a simulated receipt is called wherever a person sees it (EX-319)."""

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Longest file that is looked at."""

_HEAD: Final = struct.Struct("<8sHH")
_LENGTH: Final = struct.Struct("<I")
_DETAIL: Final = struct.Struct("<13Q")
_CHECKSUM_BYTES = 32
_VERSION = 1


class ReceiptReason(StrEnum):
    """Why bytes are no simulated receipt, or why one was refused."""

    TOO_LARGE = "too_large"
    """Over 64 MiB."""
    WRONG_MAGIC = "wrong_magic"
    """Not a simulated receipt."""
    TRUNCATED = "truncated"
    """The file ends early."""
    CHECKSUM_MISMATCH = "checksum_mismatch"
    """Damaged."""
    UNSUPPORTED_VERSION = "unsupported_version"
    """Another version than 1."""
    RESERVED_NOT_ZERO = "reserved_not_zero"
    """A flag that has no meaning is set."""
    BAD_LENGTH = "bad_length"
    """The journal's length is not the claim's."""
    TRAILING_BYTES = "trailing_bytes"
    """Something follows the receipt."""
    JOURNAL_MISMATCH = "journal_mismatch"
    """The journal does not hash to the claim's digest."""
    SIMULATED_NOT_PROVEN = "simulated_not_proven"
    """A simulation where a proof was asked for."""
    PROGRAM_MISMATCH = "program_mismatch"
    """The claim is of another program."""
    INPUT_MISMATCH = "input_mismatch"
    """The claim is of another input."""
    SEGMENT_MISMATCH = "segment_mismatch"
    """The journal is not that of this segment's rows."""
    CLAIM_MISMATCH = "claim_mismatch"
    """Executing again gives another claim."""
    GUEST_FAILED = "guest_failed"
    """The guest trapped, or halted with a code that is not 0."""


@dataclass(frozen=True)
class SimulatedReceipt:
    """An execution, not proven."""

    claim: Claim
    """What was executed."""
    journal: bytes
    """Its public output."""
    detail: Detail
    """Unproven detail for cost estimates."""

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        body = (
            _HEAD.pack(MAGIC, _VERSION, 0)
            + self.claim.to_bytes()
            + _LENGTH.pack(len(self.journal))
            + self.journal
            + _DETAIL.pack(
                *self.detail.cycles_by_class,
                self.detail.poseidon2_permutations,
                self.detail.sha256_blocks,
                self.detail.words_touched,
                self.detail.input_words_read,
            )
        )
        return body + hashlib.sha256(body).digest()


def receipt_of(
    program: bytes, input_digest: bytes, execution: Execution, journal_digest: bytes
) -> SimulatedReceipt:
    """Return the receipt of an execution that halted.

    Args:
        program: the program's id.
        input_digest: of the whole input.
        execution: how it ended.
        journal_digest: of its journal.

    Raises:
        PeerError: it trapped: a trap cannot be claimed (EX-110).
    """
    if execution.exit_code is None:
        raise PeerError(f"guest_failed: {describe_trap(execution)}", ReceiptReason.GUEST_FAILED)
    claim = Claim(
        program,
        input_digest,
        journal_digest,
        execution.exit_code,
        len(execution.journal),
        execution.cycles,
    )
    return SimulatedReceipt(claim, execution.journal, execution.detail)


def parse_receipt(data: bytes, sponge: Sponge) -> SimulatedReceipt:
    """Return the simulated receipt that a file holds; order of checks as EX-316.

    Raises:
        PeerError: with a ``ReceiptReason`` or, for the claim inside, a ``ClaimReason``.
    """
    _check_frame(data)
    claim_end = _HEAD.size + CLAIM_BYTES
    claim = parse_claim(data[_HEAD.size : claim_end])
    (length,) = _LENGTH.unpack_from(data, claim_end)
    journal_end = claim_end + _LENGTH.size + length
    detail_end = journal_end + _DETAIL.size
    if length != claim.journal_bytes:
        raise _refusal(ReceiptReason.BAD_LENGTH)
    if detail_end + _CHECKSUM_BYTES > len(data):
        raise _refusal(ReceiptReason.TRUNCATED)
    if detail_end + _CHECKSUM_BYTES < len(data):
        raise _refusal(ReceiptReason.TRAILING_BYTES)
    receipt = decode_receipt(data)
    if bytes_digest(Tag.JOURNAL, receipt.journal, sponge) != claim.journal_digest:
        raise _refusal(ReceiptReason.JOURNAL_MISMATCH)
    return receipt


def decode_receipt(data: bytes) -> SimulatedReceipt:
    """Return the receipt of bytes that a worker of ours made, or that ``parse_receipt`` accepted: nothing is checked again."""
    claim_end = _HEAD.size + CLAIM_BYTES
    claim = decode_claim(data[_HEAD.size : claim_end])
    journal_start = claim_end + _LENGTH.size
    journal_end = journal_start + claim.journal_bytes
    numbers = _DETAIL.unpack_from(data, journal_end)
    classes = len(CYCLE_CLASSES)
    return SimulatedReceipt(
        claim, data[journal_start:journal_end], Detail(numbers[:classes], *numbers[classes:])
    )


def describe_trap(execution: Execution) -> str:
    """Return one line about how an execution ended without halting."""
    trap = execution.trap
    if trap is None:
        return f"halted with exit code {execution.exit_code}"
    return f"{trap.reason} at pc {trap.pc:#010x} (word {trap.word:#010x}, address {trap.address:#010x}) after {trap.cycles} cycles"


def _check_frame(data: bytes) -> None:
    if len(data) > MAX_FILE_BYTES:
        raise _refusal(ReceiptReason.TOO_LARGE)
    if data[: len(MAGIC)] != MAGIC:
        raise _refusal(ReceiptReason.WRONG_MAGIC)
    if len(data) < _HEAD.size + CLAIM_BYTES + _LENGTH.size + _DETAIL.size + _CHECKSUM_BYTES:
        raise _refusal(ReceiptReason.TRUNCATED)
    if hashlib.sha256(data[:-_CHECKSUM_BYTES]).digest() != data[-_CHECKSUM_BYTES:]:
        raise _refusal(ReceiptReason.CHECKSUM_MISMATCH)
    _, version, flags = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise _refusal(ReceiptReason.UNSUPPORTED_VERSION)
    if flags:
        raise _refusal(ReceiptReason.RESERVED_NOT_ZERO)


def _refusal(reason: ReceiptReason) -> PeerError:
    return PeerError(f"{reason}: not a simulated receipt that can be read", reason)
