"""Files of proofs, read up to the proof itself: form, parameters, journals, claims (EX-313, 316).

``ProvenReceipt`` has no base in common with a simulated receipt, and no function makes one from the other. A file is
looked at in the order of EX-316 and the first failure counts. The last step, the proof against the digest of the list, is the
proof system's; an installation without one accepts no parameters id, so every file ends before it with
``parameters_not_accepted``.
"""

import hashlib
import struct
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veritape.executor.claims import CLAIM_BYTES, MAX_CLAIMS, Claim, ClaimReason, parse_claim
from veritape.executor.digests import Tag, bytes_digest
from veritape.executor.receipts import MAGIC as SIMULATED_MAGIC
from veritape.executor.receipts import MAX_FILE_BYTES
from veritape.kernel.errors import PeerError
from veritape.stark.hashing import Sponge

MAGIC: Final = b"VTPRF001"
"""First 8 bytes of a proof's file."""

PARAMETERS_BYTES: Final = 32
"""Length of a parameters id."""

_HEAD: Final = struct.Struct("<8sHH32sI")
_LENGTH: Final = struct.Struct("<I")
_CHECKSUM_BYTES = 32
_VERSION = 1


class VerifyReason(StrEnum):
    """Why a file is not accepted as a proof, in the order of the checks."""

    TOO_LARGE = "too_large"
    """Over 64 MiB."""
    SIMULATED_NOT_PROVEN = "simulated_not_proven"
    """A simulation: it was executed, and carries no evidence."""
    WRONG_MAGIC = "wrong_magic"
    """Not a proof's file."""
    TRUNCATED = "truncated"
    """The file ends early."""
    CHECKSUM_MISMATCH = "checksum_mismatch"
    """Damaged."""
    UNSUPPORTED_VERSION = "unsupported_version"
    """Another version than 1, of the file or of a claim."""
    RESERVED_NOT_ZERO = "reserved_not_zero"
    """A flag that has no meaning is set."""
    EMPTY_LIST = "empty_list"
    """No claims."""
    TOO_MANY_CLAIMS = "too_many_claims"
    """Over 65,536 claims."""
    WRONG_DOMAIN = "wrong_domain"
    """What stands in a claim's place is none."""
    NONCANONICAL_DIGEST = "noncanonical_digest"
    """A digest has a word that is no field element."""
    BAD_LENGTH = "bad_length"
    """A claim's journal length is no multiple of 4 or over 1 MiB."""
    BAD_CYCLES = "bad_cycles"
    """Cycles outside 1 to 2^40."""
    TRAILING_BYTES = "trailing_bytes"
    """Something follows the proof."""
    PARAMETERS_NOT_ACCEPTED = "parameters_not_accepted"
    """The parameters id is unknown here, or not in the verifier's own setting."""
    JOURNAL_MISMATCH = "journal_mismatch"
    """A journal does not hash to its claim's digest, or has another length."""
    DUPLICATE_CLAIM = "duplicate_claim"
    """The list holds one claim twice."""


@dataclass(frozen=True)
class ProvenReceipt:
    """Claims, their journals, and a proof for the digest of their list."""

    parameters: bytes
    """Parameters id, 32 bytes: which proof system, with which security."""
    claims: tuple[Claim, ...]
    """What is claimed, in order."""
    journals: tuple[bytes, ...]
    """Public output of each claim."""
    proof: bytes
    """The proof system's own serialisation."""

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        head = _HEAD.pack(MAGIC, _VERSION, 0, self.parameters, len(self.claims))
        journals = b"".join(_LENGTH.pack(len(journal)) + journal for journal in self.journals)
        claims = b"".join(claim.to_bytes() for claim in self.claims)
        body = head + claims + journals + _LENGTH.pack(len(self.proof)) + self.proof
        return body + hashlib.sha256(body).digest()


def refuse_simulated(data: bytes) -> None:
    """Refuse a simulation where a proof is asked for (EX-319).

    Raises:
        PeerError: ``simulated_not_proven``.
    """
    if data[: len(SIMULATED_MAGIC)] == SIMULATED_MAGIC:
        text = "simulated_not_proven: this file was executed, not proven: make a proof of it first"
        raise PeerError(text, VerifyReason.SIMULATED_NOT_PROVEN)


def read_proven(data: bytes, accepted: AbstractSet[bytes], sponge: Sponge) -> ProvenReceipt:
    """Return what a proof's file holds when all but its proof is right.

    Args:
        data: the file.
        accepted: parameters ids of the verifier's own setting, never from the file.
        sponge: H.

    Raises:
        PeerError: with a ``VerifyReason``.
    """
    if len(data) > MAX_FILE_BYTES:
        raise _refusal(VerifyReason.TOO_LARGE)
    refuse_simulated(data)
    _check_frame(data)
    receipt = _parse(data[:-_CHECKSUM_BYTES])
    if receipt.parameters not in accepted:
        raise _refusal(VerifyReason.PARAMETERS_NOT_ACCEPTED)
    for claim, journal in zip(receipt.claims, receipt.journals, strict=True):
        digest = bytes_digest(Tag.JOURNAL, journal, sponge)
        if len(journal) != claim.journal_bytes or digest != claim.journal_digest:
            raise _refusal(VerifyReason.JOURNAL_MISMATCH)
    if len(set(receipt.claims)) != len(receipt.claims):
        raise _refusal(VerifyReason.DUPLICATE_CLAIM)
    return receipt


def _check_frame(data: bytes) -> None:
    if data[: len(MAGIC)] != MAGIC:
        raise _refusal(VerifyReason.WRONG_MAGIC)
    if len(data) < _HEAD.size + _CHECKSUM_BYTES:
        raise _refusal(VerifyReason.TRUNCATED)
    if hashlib.sha256(data[:-_CHECKSUM_BYTES]).digest() != data[-_CHECKSUM_BYTES:]:
        raise _refusal(VerifyReason.CHECKSUM_MISMATCH)


def _parse(body: bytes) -> ProvenReceipt:
    _, version, flags, parameters, count = _HEAD.unpack_from(body)
    checks = (
        (VerifyReason.UNSUPPORTED_VERSION, version != _VERSION),
        (VerifyReason.RESERVED_NOT_ZERO, flags != 0),
        (VerifyReason.EMPTY_LIST, count == 0),
        (VerifyReason.TOO_MANY_CLAIMS, count > MAX_CLAIMS),
        (VerifyReason.TRUNCATED, _HEAD.size + count * CLAIM_BYTES > len(body)),
    )
    for reason, failed in checks:
        if failed:
            raise _refusal(reason)
    place = _HEAD.size
    claims = tuple(_claim(body, place + CLAIM_BYTES * index) for index in range(count))
    place += CLAIM_BYTES * count
    parts = []
    for _ in range(count + 1):
        part, place = _part(body, place)
        parts.append(part)
    if place != len(body):
        raise _refusal(VerifyReason.TRAILING_BYTES)
    return ProvenReceipt(parameters, claims, tuple(parts[:-1]), parts[-1])


def _claim(body: bytes, place: int) -> Claim:
    try:
        return parse_claim(body[place : place + CLAIM_BYTES])
    except PeerError as error:
        raise _refusal(VerifyReason(error.reason or ClaimReason.WRONG_DOMAIN)) from error


def _part(body: bytes, place: int) -> tuple[bytes, int]:
    """Return bytes that stand behind their length, and the place after them."""
    start = place + _LENGTH.size
    if start > len(body) or (end := start + _LENGTH.unpack_from(body, place)[0]) > len(body):
        raise _refusal(VerifyReason.TRUNCATED)
    return body[start:end], end


def _refusal(reason: VerifyReason) -> PeerError:
    return PeerError(f"{reason}: not a proof that is accepted here", reason)
