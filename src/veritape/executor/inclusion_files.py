"""Files of inclusion proofs, read up to the proof itself: one claim, its journal, its path, and the proof for the list (EX-482).

Who reads such a file recomputes D, the digest of the list, from claim and path. A *detached* file leaves the proof for D out: all
that it shows is "included in D", and D is to be had from somebody who is trusted. Checks come in the order of EX-316; the proof itself is
the proof system's, so an installation without one accepts no parameters and a whole file ends with ``parameters_not_accepted``.
"""

import hashlib
import struct
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from veritape.executor.claims import CLAIM_BYTES, MAX_CLAIMS, Claim, ClaimReason, parse_claim
from veritape.executor.digests import DIGEST_BYTES, Tag, bytes_digest
from veritape.executor.inclusion import Path, digest_over
from veritape.executor.proven import PARAMETERS_BYTES, VerifyReason, refuse_simulated
from veritape.executor.receipts import MAX_FILE_BYTES
from veritape.kernel.errors import PeerError
from veritape.stark.hashing import Sponge

MAGIC: Final = b"VTINC001"
"""First 8 bytes of an inclusion proof's file."""

DETACHED: Final = 1
"""Flag: the proof for D is left out."""

_HEAD: Final = struct.Struct("<8sHH")
_PLACE: Final = struct.Struct("<III")
_LENGTH: Final = struct.Struct("<I")
_CHECKSUM_BYTES = 32
_VERSION = 1


@dataclass(frozen=True)
class ListProof:
    """The proof for the digest of a list."""

    parameters: bytes
    """Parameters id, 32 bytes."""
    proof: bytes
    """The proof system's own serialisation."""


@dataclass(frozen=True)
class InclusionProof:
    """One claim as a member of a list."""

    claim: Claim
    """What is claimed."""
    journal: bytes
    """Its public output."""
    path: Path
    """Where it stands."""
    whole: ListProof | None
    """The proof for the list; None in a detached file."""

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        siblings = b"".join(self.path.siblings)
        body = (
            _HEAD.pack(MAGIC, _VERSION, 0 if self.whole else DETACHED)
            + self.claim.to_bytes()
            + _LENGTH.pack(len(self.journal))
            + self.journal
            + _PLACE.pack(self.path.index, self.path.count, len(siblings))
            + siblings
        )
        if self.whole is not None:
            body += self.whole.parameters + _LENGTH.pack(len(self.whole.proof)) + self.whole.proof
        return body + hashlib.sha256(body).digest()


def is_inclusion(data: bytes) -> bool:
    """Tell by its first bytes whether a file is an inclusion proof's."""
    return data[: len(MAGIC)] == MAGIC


def read_inclusion(data: bytes, accepted: AbstractSet[bytes], sponge: Sponge) -> tuple[InclusionProof, bytes]:
    """Return what an inclusion proof's file holds, and D as its claim and path give it.

    Args:
        data: the file.
        accepted: parameters ids of the verifier's own setting, never from the file.
        sponge: H.

    Raises:
        PeerError: with a ``VerifyReason`` or an ``InclusionReason``.
    """
    _check_frame(data)
    found = _parse(data[_HEAD.size : -_CHECKSUM_BYTES], detached=bool(_HEAD.unpack_from(data)[2] & DETACHED))
    if found.whole is not None and found.whole.parameters not in accepted:
        raise _refusal(VerifyReason.PARAMETERS_NOT_ACCEPTED)
    digest = bytes_digest(Tag.JOURNAL, found.journal, sponge)
    if len(found.journal) != found.claim.journal_bytes or digest != found.claim.journal_digest:
        raise _refusal(VerifyReason.JOURNAL_MISMATCH)
    return found, digest_over(found.claim, found.path, sponge)


def _check_frame(data: bytes) -> None:
    if len(data) > MAX_FILE_BYTES:
        raise _refusal(VerifyReason.TOO_LARGE)
    refuse_simulated(data)
    if not is_inclusion(data):
        raise _refusal(VerifyReason.WRONG_MAGIC)
    if len(data) < _HEAD.size + CLAIM_BYTES + _LENGTH.size + _PLACE.size + _CHECKSUM_BYTES:
        raise _refusal(VerifyReason.TRUNCATED)
    if hashlib.sha256(data[:-_CHECKSUM_BYTES]).digest() != data[-_CHECKSUM_BYTES:]:
        raise _refusal(VerifyReason.CHECKSUM_MISMATCH)
    _, version, flags = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise _refusal(VerifyReason.UNSUPPORTED_VERSION)
    if flags & ~DETACHED:
        raise _refusal(VerifyReason.RESERVED_NOT_ZERO)


def _parse(body: bytes, *, detached: bool) -> InclusionProof:
    rest = _Rest(body)
    claim = _claim(rest.take(CLAIM_BYTES))
    journal = rest.take(rest.length())
    index, count, path_bytes = _PLACE.unpack(rest.take(_PLACE.size))
    if count > MAX_CLAIMS:
        raise _refusal(VerifyReason.TOO_MANY_CLAIMS)
    if path_bytes % DIGEST_BYTES:
        raise _refusal(VerifyReason.BAD_LENGTH)
    data = rest.take(path_bytes)
    siblings = tuple(data[at : at + DIGEST_BYTES] for at in range(0, path_bytes, DIGEST_BYTES))
    whole = None if detached else ListProof(rest.take(PARAMETERS_BYTES), rest.take(rest.length()))
    if rest.data:
        raise _refusal(VerifyReason.TRAILING_BYTES)
    return InclusionProof(claim, journal, Path(index, count, siblings), whole)


class _Rest:
    """What is left to read."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        """Return so many bytes."""
        if count > len(self.data):
            raise _refusal(VerifyReason.TRUNCATED)
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def length(self) -> int:
        """Return the length that stands next."""
        return int(_LENGTH.unpack(self.take(_LENGTH.size))[0])


def _claim(data: bytes) -> Claim:
    try:
        return parse_claim(data)
    except PeerError as error:
        raise _refusal(VerifyReason(error.reason or ClaimReason.WRONG_DOMAIN)) from error


def _refusal(reason: VerifyReason) -> PeerError:
    return PeerError(f"{reason}: not an inclusion proof that is accepted here", reason)
