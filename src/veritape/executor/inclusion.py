"""Paths from a claim to the digest of its list: what shows that a claim is one of many (EX-482 to 484).

The tree is that of ``claims.list_digest``. A path is the sibling digests bottom up, exactly ceil(log2 count) of them; index and
count are part of the statement, so padding has no path and a list of another length has another digest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from veritape.executor.claims import Claim, claim_digest, list_levels, root_digest
from veritape.executor.digests import Tag, is_canonical, pair_digest
from veritape.kernel.errors import PeerError
from veritape.stark.hashing import Sponge


class InclusionReason(StrEnum):
    """Why a path does not show a claim."""

    INDEX_OUT_OF_RANGE = "index_out_of_range"
    """No claim of the list has this index."""
    PATH_LENGTH = "path_length"
    """Not one sibling a level."""
    NONCANONICAL_DIGEST = "noncanonical_digest"
    """A sibling or the list's digest has a word that is no field element."""
    PATH_MISMATCH = "path_mismatch"
    """The path leads to another digest."""
    DETACHED = "detached"
    """The file has no proof for the list: it shows inclusion alone, which was not asked for."""


@dataclass(frozen=True)
class Path:
    """One claim's place in a list."""

    index: int
    """From 0."""
    count: int
    """Claims of the list."""
    siblings: tuple[bytes, ...]
    """Digests beside the way up, from the claim's own neighbour."""


def path_of(claims: Sequence[Claim], index: int, sponge: Sponge) -> Path:
    """Return the path of one claim.

    Raises:
        PeerError: ``index_out_of_range``, or no list.
    """
    levels = list_levels(claims, sponge)
    _check_index(index, len(claims))
    return Path(index, len(claims), tuple(level[(index >> up) ^ 1] for up, level in enumerate(levels[:-1])))


def check_path(claim: Claim, path: Path, digest: bytes, sponge: Sponge) -> None:
    """Check that a claim stands at its index of the list with this digest.

    Raises:
        PeerError: with an ``InclusionReason``.
    """
    if not is_canonical(digest):
        raise _refusal(InclusionReason.NONCANONICAL_DIGEST)
    if digest_over(claim, path, sponge) != digest:
        raise _refusal(InclusionReason.PATH_MISMATCH)


def digest_over(claim: Claim, path: Path, sponge: Sponge) -> bytes:
    """Return D, the digest of the list in which a claim stands at its index.

    Raises:
        PeerError: ``index_out_of_range``, ``path_length`` or ``noncanonical_digest``.
    """
    _check_index(path.index, path.count)
    if len(path.siblings) != (path.count - 1).bit_length():
        raise _refusal(InclusionReason.PATH_LENGTH)
    if not all(is_canonical(sibling) for sibling in path.siblings):
        raise _refusal(InclusionReason.NONCANONICAL_DIGEST)
    node = claim_digest(claim, sponge)
    for up, sibling in enumerate(path.siblings):
        left, right = (sibling, node) if path.index >> up & 1 else (node, sibling)
        node = pair_digest(Tag.NODE, left, right, sponge)
    return root_digest(node, path.count, sponge)


def _check_index(index: int, count: int) -> None:
    if not 0 <= index < count:
        raise _refusal(InclusionReason.INDEX_OUT_OF_RANGE)


def _refusal(reason: InclusionReason) -> PeerError:
    return PeerError(f"{reason}: the claim is not shown to be in the list", reason)
