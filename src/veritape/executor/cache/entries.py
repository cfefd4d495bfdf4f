"""Keys and entries of the cache (EX-401, 404 to 407).

A receipt that was only executed cannot be told from a forged one by looking at it, so every entry that leaves the process
carries a MAC over its key, its time and its bytes. Entries that finish together lie in one *pack*: a single durable write makes
a thousand items finished, and the pack's table says which keys it holds.
"""

import hashlib
import hmac
import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from veritape.executor.receipts import parse_receipt
from veritape.kernel.errors import PeerError
from veritape.stark.hashing import Sponge

MAGIC: Final = b"VTCENT01"
"""First 8 bytes of an entry's file."""

PACK_MAGIC: Final = b"VTPACK01"
"""First 8 bytes of a body that holds several receipts."""

KEY_BYTES, MAC_BYTES = 32, 32
"""Length of a key and of a MAC."""

MAX_ENTRY_BYTES = 64 * 1024 * 1024
"""Longest entry that is looked at."""

RECEIPT_VERSION = 1
"""Version of the receipts' format: part of the key, so a new format finds no old entries."""

SECRET_BYTES = 32
"""Length of a secret."""

_HEAD: Final = struct.Struct("<8s32sQQ32s")
_COUNT: Final = struct.Struct("<I")
_ROW: Final = struct.Struct("<32sI")
_CREATED: Final = struct.Struct("<Q")


class Namespace(IntEnum):
    """Which backend made an entry; asking for one never reads the other (EX-406)."""

    TRACE = 1
    """Executed, not proven."""
    STARK = 2
    """Proven."""


class CacheReason(StrEnum):
    """Why an entry is refused; it is then deleted, counted and treated as a miss."""

    BAD_ENTRY = "bad_entry"
    """Not an entry, cut, or its checksum does not match."""
    BAD_MAC = "bad_mac"
    """Not written with this cache's secret, or for another key."""
    FOREIGN_CLAIM = "foreign_claim"
    """The receipt is of another program or input than the key says."""


class Entry(NamedTuple):
    """One durable write."""

    key: bytes
    """Key of the receipt, or of the pack."""
    created_ns: int
    """Wall clock at which it was made."""
    body: bytes
    """A receipt, or a pack."""


def cache_key(
    namespace: Namespace, program_id: bytes, input_digest: bytes, parameters: bytes = bytes(32)
) -> bytes:
    """Return the key of what a program computes from an input; run limits are not in it."""
    return cache_keys(namespace, program_id, (input_digest,), parameters)[0]


def cache_keys(
    namespace: Namespace, program_id: bytes, input_digests: Sequence[bytes], parameters: bytes = bytes(32)
) -> list[bytes]:
    """Return the keys of what a program computes from some inputs."""
    before = b"".join((b"VTCACHE1", bytes((namespace,)), program_id))
    after = parameters + struct.pack("<H", RECEIPT_VERSION)
    return [hashlib.sha256(before + digest + after).digest() for digest in input_digests]


def pack(receipts: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
    """Return key and body of the entry for receipts by their keys; a single one is its own body."""
    if len(receipts) == 1:
        return next(iter(receipts.items()))
    rows = b"".join(_ROW.pack(key, len(data)) for key, data in receipts.items())
    body = PACK_MAGIC + _COUNT.pack(len(receipts)) + rows + b"".join(receipts.values())
    return hashlib.sha256(PACK_MAGIC + b"".join(receipts)).digest(), body


def unpack(key: bytes, body: bytes) -> dict[bytes, bytes]:
    """Return the receipts of an entry by their keys.

    Raises:
        PeerError: ``bad_entry``.
    """
    if not body.startswith(PACK_MAGIC):
        return {key: body}
    place = len(PACK_MAGIC) + _COUNT.size
    if place > len(body):
        raise refusal(CacheReason.BAD_ENTRY)
    (count,) = _COUNT.unpack_from(body, len(PACK_MAGIC))
    data = place + _ROW.size * count
    if data > len(body):
        raise refusal(CacheReason.BAD_ENTRY)
    found = {}
    for row in range(count):
        member, length = _ROW.unpack_from(body, place + _ROW.size * row)
        found[member] = body[data : data + length]
        data += length
    if data != len(body) or len(found) != count:
        raise refusal(CacheReason.BAD_ENTRY)
    return found


def mac(secret: bytes, entry: Entry) -> bytes:
    """Return what authenticates an entry."""
    message = entry.key + _CREATED.pack(entry.created_ns) + entry.body
    return hmac.digest(secret, message, "sha256")


def to_file(entry: Entry, secret: bytes) -> bytes:
    """Return an entry's file: head, body, MAC; the SHA-256 in the head finds damage without the secret."""
    payload = entry.body + mac(secret, entry)
    digest = hashlib.sha256(payload).digest()
    return _HEAD.pack(MAGIC, entry.key, entry.created_ns, len(payload), digest) + payload


def from_file(data: bytes, secret: bytes) -> Entry:
    """Return the entry of a file.

    Raises:
        PeerError: ``bad_entry`` or ``bad_mac``.
    """
    if len(data) < _HEAD.size + MAC_BYTES or len(data) > MAX_ENTRY_BYTES or data[: len(MAGIC)] != MAGIC:
        raise refusal(CacheReason.BAD_ENTRY)
    _, key, created_ns, length, digest = _HEAD.unpack_from(data)
    payload = data[_HEAD.size :]
    if length != len(payload) or hashlib.sha256(payload).digest() != digest:
        raise refusal(CacheReason.BAD_ENTRY)
    entry = Entry(key, created_ns, payload[:-MAC_BYTES])
    if not hmac.compare_digest(mac(secret, entry), payload[-MAC_BYTES:]):
        raise refusal(CacheReason.BAD_MAC)
    return entry


def to_value(entry: Entry, secret: bytes) -> bytes:
    """Return an entry as a value of a shared store: time, body, MAC (EX-407)."""
    return _CREATED.pack(entry.created_ns) + entry.body + mac(secret, entry)


def from_value(key: bytes, value: bytes, secret: bytes) -> Entry:
    """Return the entry that a shared store holds under a key.

    Raises:
        PeerError: ``bad_entry`` or ``bad_mac``.
    """
    if not _CREATED.size + MAC_BYTES <= len(value) <= MAX_ENTRY_BYTES:
        raise refusal(CacheReason.BAD_ENTRY)
    (created_ns,) = _CREATED.unpack_from(value)
    entry = Entry(key, created_ns, value[_CREATED.size : -MAC_BYTES])
    if not hmac.compare_digest(mac(secret, entry), value[-MAC_BYTES:]):
        raise refusal(CacheReason.BAD_MAC)
    return entry


def shared_name(key: bytes, secret: bytes) -> str:
    """Return the name under which a shared store holds a key; it tells nothing about inputs."""
    return "vt:pc:" + hmac.digest(secret, key, "sha256").hex()[:32]


def check_simulated(key: bytes, data: bytes, sponge: Sponge) -> None:
    """Read in full the simulated receipt that an entry of this key holds.

    Raises:
        PeerError: no receipt, or of another program or input than the key's.
    """
    receipt = parse_receipt(data, sponge)
    if cache_key(Namespace.TRACE, receipt.claim.program_id, receipt.claim.input_digest) != key:
        raise refusal(CacheReason.FOREIGN_CLAIM)


def refusal(reason: CacheReason) -> PeerError:
    """Return the error of a refused entry."""
    return PeerError(f"{reason}: the entry is dropped and made anew", reason)
