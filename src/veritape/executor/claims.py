"""What exactly is claimed: program P, on some input with digest I, halted with code E after C cycles and committed journal J.

A claim is 120 bytes (EX-283); its digest binds every field (EX-284). A list of claims has one digest that binds order and
number (EX-285).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veritape.executor.digests import (
    DIGEST_BYTES,
    Tag,
    bytes_digest,
    elements_digest,
    is_canonical,
    pair_digest,
    to_elements,
)
from veritape.executor.image import Image
from veritape.kernel.errors import PeerError
from veritape.stark.hashing import Sponge

CLAIM_BYTES = 120
"""A claim on wire and disk."""

MAX_JOURNAL_BYTES = 1_048_576
"""Longest journal that a claim can name."""

MAX_CYCLES = 1 << 40
"""Most cycles that a claim can name."""

MAX_CLAIMS = 65_536
"""Longest list."""

_CLAIM: Final = struct.Struct("<4sHH32s32s32sIIQ")
_DOMAIN, _VERSION = b"VTCL", 1


class ClaimReason(StrEnum):
    """Why bytes are no claim, or claims no list."""

    WRONG_DOMAIN = "wrong_domain"
    """It does not begin with VTCL."""
    UNSUPPORTED_VERSION = "unsupported_version"
    """Another version than 1."""
    RESERVED_NOT_ZERO = "reserved_not_zero"
    """A flag that has no meaning is set."""
    NONCANONICAL_DIGEST = "noncanonical_digest"
    """A digest has a word that is no field element."""
    BAD_LENGTH = "bad_length"
    """The claim is not 120 bytes, or its journal's length is no multiple of 4 or over 1 MiB."""
    BAD_CYCLES = "bad_cycles"
    """Cycles outside 1 to 2^40."""
    EMPTY_LIST = "empty_list"
    """A list of no claims has no digest."""
    TOO_MANY_CLAIMS = "too_many_claims"
    """Over 65,536 claims."""


@dataclass(frozen=True)
class Claim:
    """One execution, stated."""

    program_id: bytes
    """B(PROGRAM, image), 32 bytes."""
    input_digest: bytes
    """B(INPUT, whole input), 32 bytes."""
    journal_digest: bytes
    """B(JOURNAL, journal), 32 bytes."""
    exit_code: int
    """What the guest halted with."""
    journal_bytes: int
    """Length of the journal."""
    cycles: int
    """Instructions retired."""

    def to_bytes(self) -> bytes:
        """Return the claim's 120 bytes."""
        return _CLAIM.pack(
            _DOMAIN, _VERSION, 0, self.program_id, self.input_digest, self.journal_digest,
            self.exit_code, self.journal_bytes, self.cycles,
        )  # fmt: skip


def parse_claim(data: bytes) -> Claim:
    """Return the claim that 120 bytes hold.

    Raises:
        PeerError: with a ``ClaimReason``.
    """
    if len(data) != CLAIM_BYTES:
        raise PeerError(
            f"bad_length: a claim is {CLAIM_BYTES} bytes, not {len(data)}", ClaimReason.BAD_LENGTH
        )
    domain, version, flags, *_ = _CLAIM.unpack(data)
    claim = decode_claim(data)
    digests = (claim.program_id, claim.input_digest, claim.journal_digest)
    checks = (
        (ClaimReason.WRONG_DOMAIN, domain != _DOMAIN),
        (ClaimReason.UNSUPPORTED_VERSION, version != _VERSION),
        (ClaimReason.RESERVED_NOT_ZERO, flags != 0),
        (ClaimReason.NONCANONICAL_DIGEST, not all(is_canonical(digest) for digest in digests)),
        (ClaimReason.BAD_LENGTH, claim.journal_bytes % 4 or claim.journal_bytes > MAX_JOURNAL_BYTES),
        (ClaimReason.BAD_CYCLES, not 1 <= claim.cycles <= MAX_CYCLES),
    )
    for reason, failed in checks:
        if failed:
            raise PeerError(f"{reason}: not a claim", reason)
    return claim


def decode_claim(data: bytes) -> Claim:
    """Return the claim of 120 bytes that were checked before: nothing is checked again."""
    return Claim(*_CLAIM.unpack(data)[3:])


def program_id(image: Image, sponge: Sponge) -> bytes:
    """Return what names a program: it covers code, constants, entry, permissions and memory size (EX-281)."""
    return bytes_digest(Tag.PROGRAM, image.to_bytes(), sponge)


def claim_digest(claim: Claim, sponge: Sponge) -> bytes:
    """Return the digest of a claim over 32 elements (EX-284)."""
    elements = [
        _VERSION,
        *_limbs(claim.exit_code, 2),
        *_limbs(claim.journal_bytes, 2),
        *_limbs(claim.cycles, 3),
        *to_elements(claim.program_id),
        *to_elements(claim.input_digest),
        *to_elements(claim.journal_digest),
    ]
    return elements_digest(Tag.CLAIM, elements, sponge)


def list_digest(claims: Sequence[Claim], sponge: Sponge) -> bytes:
    """Return D, the digest of a list of claims: order and number are bound (EX-285).

    Raises:
        PeerError: no claims, or too many.
    """
    return root_digest(list_levels(claims, sponge)[-1][0], len(claims), sponge)


def list_levels(claims: Sequence[Claim], sponge: Sponge) -> list[list[bytes]]:
    """Return the tree over a list, leaves first, the root last; zero leaves fill it up to a power of two.

    Raises:
        PeerError: no claims, or too many.
    """
    if not claims:
        raise PeerError("empty_list: a list of no claims has no digest", ClaimReason.EMPTY_LIST)
    if len(claims) > MAX_CLAIMS:
        raise PeerError(f"too_many_claims: at most {MAX_CLAIMS}", ClaimReason.TOO_MANY_CLAIMS)
    leaves = [claim_digest(claim, sponge) for claim in claims]
    levels = [leaves + [bytes(DIGEST_BYTES)] * ((1 << (len(leaves) - 1).bit_length()) - len(leaves))]
    while len(levels[-1]) > 1:
        level = levels[-1]
        pairs = zip(level[::2], level[1::2], strict=True)
        levels.append([pair_digest(Tag.NODE, left, right, sponge) for left, right in pairs])
    return levels


def root_digest(root: bytes, count: int, sponge: Sponge) -> bytes:
    """Return D of a tree's root and the number of its claims."""
    return elements_digest(Tag.LIST, (*_limbs(count, 2), *to_elements(root)), sponge)


def _limbs(value: int, count: int) -> list[int]:
    return [value >> 16 * index & 0xFFFF for index in range(count)]
