"""Digests of bytes and of claims with Poseidon2, and their form on the wire (EX-271 to 274)."""

import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TypeAlias

import numpy as np

from veritape.stark.field import P
from veritape.stark.hashing import Digest, Sponge

DIGEST_BYTES = 32
"""A digest on the wire: 8 elements as u32."""

_WORDS = struct.Struct("<8I")


class Tag(IntEnum):
    """What a digest is of; stands in the sponge's capacity."""

    PROGRAM = 0x56540001
    """Program id."""
    INPUT = 0x56540002
    """Input digest."""
    JOURNAL = 0x56540003
    """Journal digest."""
    CLAIM = 0x56540004
    """Claim digest."""
    NODE = 0x56540005
    """Inner node of a claim tree."""
    LIST = 0x56540006
    """List of claims."""


def bytes_digest(tag: Tag, data: bytes, sponge: Sponge) -> bytes:
    """Return B(tag, data): the sponge over 16-bit little-endian limbs, the number of bytes in its capacity (EX-273)."""
    limbs = np.frombuffer(data + b"\0" * (len(data) % 2), dtype="<u2")
    return to_bytes(sponge(tag, len(data), limbs))  # type: ignore[arg-type]  # an array is indexed and sliced alike


DigestEach: TypeAlias = Callable[[int, Sequence[bytes]], list[bytes]]
"""B(tag, item) of every item: ``each_digest`` with a sponge, or its compiled twin in one call."""


def each_digest(sponge: Sponge) -> DigestEach:
    """Return the readable form of many digests."""
    return lambda tag, items: [bytes_digest(Tag(tag), item, sponge) for item in items]


def elements_digest(tag: Tag, elements: Sequence[int], sponge: Sponge) -> bytes:
    """Return H(tag, elements) (EX-272)."""
    return to_bytes(sponge(tag, len(elements), elements))


def pair_digest(tag: Tag, left: bytes, right: bytes, sponge: Sponge) -> bytes:
    """Return H(tag, left ++ right) of two digests: an inner node."""
    elements = np.frombuffer(left + right, dtype="<u4")
    return to_bytes(sponge(tag, len(elements), elements))  # type: ignore[arg-type]  # an array is indexed and sliced alike


def to_bytes(digest: Digest) -> bytes:
    """Return a digest's 32 bytes."""
    return _WORDS.pack(*digest)


def to_elements(data: bytes) -> Digest:
    """Return a digest's elements, whatever they are."""
    return _WORDS.unpack(data)


def is_canonical(data: bytes) -> bool:
    """Tell whether 32 bytes are 8 words below the prime."""
    return all(word < P for word in _WORDS.unpack(data))
