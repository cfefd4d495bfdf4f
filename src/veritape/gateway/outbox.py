"""The outbox file in bytes: what a worker has made durable and the ledger does not have yet (GW-663).

A file is a header and groups; a group is one commit: its length, its CRC-32, and its events as MessagePack. A crash leaves
at most one group half written, and that one was never acknowledged: the first group that does not read ends the file. When
more follows than one commit can have left, the file was damaged afterwards, and somebody should look at it.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import msgspec

from veritape.gateway.fast_quota import make_tuple
from veritape.gateway.usage import BOOT_BYTES, Kind, UsageEvent
from veritape.kernel.errors import PeerError

MAGIC: Final = b"VTUSAGE1"
"""First bytes of a file."""

FAMILY: Final = MAGIC[:-1]
"""What the magic of every version begins with."""

HEADER_BYTES: Final = len(MAGIC) + BOOT_BYTES
"""The magic and the boot that writes the file."""

GROUP_LIMIT_BYTES: Final = 1 << 20
"""Largest payload of a group; one event is some 200 bytes."""

FILE_LIMIT_BYTES: Final = 64 << 20
"""A file of this size is followed by the next one."""

SUFFIX: Final = ".vtu"
"""Ending of a file's name."""

BAD_SUFFIX: Final = ".bad"
"""Added to the name of a file that was damaged."""

_HEAD: Final = struct.Struct("<II")
_ENCODER: Final = msgspec.msgpack.Encoder()

_Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""Fits a ledger's column."""

_Fields = tuple[
    bytes, _Integer, str, str, str, str, str, str, _Integer, str,
    str, str, _Integer, str, _Integer, str, bytes | None, _Integer | None, _Integer,
]  # fmt: skip
"""Those of an event, as a tuple: the decoder makes and checks it without a call of Python."""

_DECODER: Final = msgspec.msgpack.Decoder(list[_Fields])
_KINDS: Final = frozenset(kind.value for kind in Kind)


class End(StrEnum):
    """How the readable part of a file ends."""

    CLEAN = "clean"
    """With the file."""
    TORN = "torn"
    """With part of one group: a commit under way, or cut off by a crash."""
    DAMAGED = "damaged"
    """With something that no commit left."""
    NEWER = "newer"
    """Nothing of it can be read: a newer program wrote the file."""


class Groups(NamedTuple):
    """The groups of a piece of a file."""

    groups: list[list[UsageEvent]]
    bytes_read: int
    """Length of the sound part."""
    end: End


class FileName(NamedTuple):
    """What a file's name says."""

    boot: bytes
    number: int
    """0 for the first file of the boot."""


def file_name(boot: bytes, number: int) -> str:
    """Return ``<boot>.vtu``, and ``<boot>-1.vtu`` for the one that follows it."""
    return f"{boot.hex()}{f'-{number}' if number else ''}{SUFFIX}"


def read_file_name(name: str) -> FileName | None:
    """Return what a name says, None when it is no outbox file's."""
    boot, dash, number = name.removesuffix(SUFFIX).partition("-")
    try:
        found = FileName(bytes.fromhex(boot), int(number) if dash else 0)
    except ValueError:
        return None
    return found if name == file_name(*found) and len(found.boot) == BOOT_BYTES else None


def file_header(boot: bytes) -> bytes:
    """Return a file's first bytes."""
    return MAGIC + boot


def read_header(octets: bytes) -> bytes:
    """Return the boot that a file belongs to.

    Raises:
        PeerError: it is no outbox file.
    """
    if len(octets) < HEADER_BYTES or not octets.startswith(MAGIC):
        raise PeerError("this is no outbox file")
    return octets[len(MAGIC) : HEADER_BYTES]


def is_newer(octets: bytes) -> bool:
    """Tell whether a file is of another version than this program writes, by its first bytes."""
    return octets.startswith(FAMILY) and len(octets) >= HEADER_BYTES and not octets.startswith(MAGIC)


def encode_groups(events: Sequence[UsageEvent]) -> Iterator[bytes]:
    """Yield the events as groups, in order, halved until each is within the limit."""
    payload = _ENCODER.encode(events)
    if len(payload) <= GROUP_LIMIT_BYTES or len(events) == 1:
        yield _HEAD.pack(len(payload), zlib.crc32(payload)) + payload
        return
    half = len(events) // 2
    yield from encode_groups(events[:half])
    yield from encode_groups(events[half:])


def read_groups(octets: bytes, boot: bytes) -> Groups:
    """Read whole groups from a piece of a file that begins with one.

    Args:
        octets: what follows the header or the group read last.
        boot: of the header; an event of another one is damage.
    """
    groups, offset = list[list[UsageEvent]](), 0
    while offset < len(octets):
        events = _group_at(octets, offset, boot)
        if events is None:
            return Groups(groups, offset, _end_at(octets, offset, boot))
        groups.append(events)
        offset += _HEAD.size + _HEAD.unpack_from(octets, offset)[0]
    return Groups(groups, offset, End.CLEAN)


def _group_at(octets: bytes, offset: int, boot: bytes) -> list[UsageEvent] | None:
    """Return the events of the group at an offset, None when there is no sound one."""
    if len(octets) - offset < _HEAD.size:
        return None
    length, checksum = _HEAD.unpack_from(octets, offset)
    payload = octets[offset + _HEAD.size : offset + _HEAD.size + length]
    if not 0 < length <= GROUP_LIMIT_BYTES or len(payload) < length or zlib.crc32(payload) != checksum:
        return None
    try:
        events = [make_tuple(UsageEvent, fields) for fields in _DECODER.decode(payload)]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    is_sound = {event.boot for event in events} <= {boot} and {event.kind for event in events} <= _KINDS
    return events if is_sound else None


def _end_at(octets: bytes, offset: int, boot: bytes) -> End:
    """Tell a commit's half from damage: a commit is one group, so nothing sound follows it and it is not larger than one."""
    rest = len(octets) - offset
    if rest > _HEAD.size + GROUP_LIMIT_BYTES:
        return End.DAMAGED
    if rest < _HEAD.size:
        return End.TORN
    length = _HEAD.unpack_from(octets, offset)[0]
    following = offset + _HEAD.size + length
    return End.DAMAGED if _group_at(octets, following, boot) is not None else End.TORN
