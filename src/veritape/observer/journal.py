"""Bytes of the journal: file header, blocks of raw frames, seal, and what a torn or damaged file still holds.

The journal is written before anyone parses (OB-455), so it holds exactly what arrived, in order, with both clocks. A
file is a 64-byte header and numbered blocks; a block is written and synced as a whole, so after a crash the valid prefix
holds everything that was ever acknowledged, and only bytes behind it may be cut (OB-508). ``docs/formats/journal.md``
shows a block byte for byte.

Pure: bytes in, values out; the writer thread lives in ``adapters/journal_files.py``.
"""

import mmap
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

import google_crc32c
import zstandard
from blake3 import blake3

from veritape.kernel.canonical import Json, canonical_json
from veritape.kernel.errors import PeerError

FILE_MAGIC: Final = b"VTJRNL1\0"
BLOCK_MAGIC: Final = b"VTB1"

FILE_HEADER: Final = struct.Struct("<8sHHI16sQ16sI")
"""Magic, version, header bytes, venue, run id, created_ns, previous, flags; then a crc32c (OB-502)."""

BLOCK_HEADER: Final = struct.Struct("<4sIIIQIIQ")
"""Magic, payload bytes, crc32c, raw bytes, block number, frame count, flags, first_received_ns (OB-503)."""

FRAME_HEADER: Final = struct.Struct("<IBBHIQQQ")
"""Length, kind, flags, zero, connection, sequence, received_ns, monotonic_ns (OB-504)."""

FILE_HEADER_BYTES: Final = 64
PREVIOUS_BYTES: Final = 16
"""Bytes of the previous file's BLAKE3 that a header holds (OB-502)."""

BLOCK_BYTES: Final = 16 << 20
"""Largest payload, stored and raw."""

COMPRESSED, SEAL = 1, 2
"""Block flags: the payload is one zstd frame; the block closes the file."""

CRC_FROM: Final = 12
"""First byte of a block that its checksum covers."""

VERSION: Final = 1


Buffer = bytes | memoryview | mmap.mmap
"""A file's bytes, in memory or mapped."""


class Kind(IntEnum):
    """What a journal frame holds."""

    TEXT = 0
    """Text message received."""
    BINARY = 1
    """Binary message received."""
    SENT = 2
    """Text message sent, its approval key replaced by stars."""
    REST = 3
    """REST body, preceded by its request line in JSON without secrets."""
    CONNECTION = 4
    """Connection event, JSON."""
    NOTE = 5
    """Note of the recorder, JSON."""


class Venue(IntEnum):
    """Venue numbers of the file header."""

    KRX = 1
    NXT = 2
    UN = 3
    BINANCE = 16


class JournalReason(StrEnum):
    """Why bytes are not a journal."""

    BAD_HEADER = "bad_header"
    """The file header's magic, version or checksum is wrong."""
    BAD_BLOCK = "bad_block"
    """A block's magic, lengths, number or checksum is wrong."""
    BAD_FRAMES = "bad_frames"
    """A block's payload does not divide into its frames."""


class Frame(NamedTuple):
    """One raw message with its stamps."""

    kind: Kind
    """What it is."""
    connection: int
    """Connection epoch, from 1."""
    sequence: int
    """Ordinal on its connection, all kinds, from 1."""
    received_ns: int
    """Wall clock, UTC."""
    monotonic_ns: int
    """Monotonic clock."""
    data: bytes
    """The message."""


class Header(NamedTuple):
    """What a journal file says of itself."""

    venue: Venue
    run_id: bytes
    """16 random bytes, one per process start."""
    created_ns: int
    previous: bytes
    """First 16 bytes of the previous file's BLAKE3, zeros when there is none."""


class Block(NamedTuple):
    """A valid block inside a file."""

    offset: int
    """First byte in the file."""
    end: int
    """Byte after it."""
    number: int
    """Ordinal in the file."""
    frame_count: int
    """Frames inside; 0 in a seal."""
    is_seal: bool
    """Whether it closes the file."""


class Scan(NamedTuple):
    """What a file holds (OB-508)."""

    header: Header | None
    """None when the file's header is unreadable."""
    blocks: tuple[Block, ...]
    """Valid blocks in order."""
    torn_at: int | None
    """Where the valid part ends and nothing valid follows; None when every byte is accounted for."""
    damaged: tuple[tuple[int, int], ...]
    """Byte ranges between valid blocks that cannot be read."""

    @property
    def sealed(self) -> bool:
        """Whether the file is closed: nothing is appended to it any more."""
        return bool(self.blocks) and self.blocks[-1].is_seal and self.torn_at is None


def encode_file_header(header: Header) -> bytes:
    """Return the 64 bytes that open a file."""
    body = FILE_HEADER.pack(
        FILE_MAGIC,
        VERSION,
        FILE_HEADER_BYTES,
        header.venue,
        header.run_id,
        header.created_ns,
        header.previous,
        0,
    )
    return body + struct.pack("<I", google_crc32c.value(body))


def decode_file_header(data: Buffer) -> Header:
    """Read the 64 bytes that open a file.

    Raises:
        PeerError: ``bad_header``.
    """
    head = bytes(data[:FILE_HEADER_BYTES])
    if len(head) == FILE_HEADER_BYTES and google_crc32c.value(head[:60]) == int.from_bytes(
        head[60:], "little"
    ):
        magic, version, size, venue, run_id, created_ns, previous, _ = FILE_HEADER.unpack(head[:60])
        if (magic, version, size) == (FILE_MAGIC, VERSION, FILE_HEADER_BYTES) and venue in _VENUES:
            return Header(Venue(venue), run_id, created_ns, previous)
    raise PeerError("not a journal file: its first 64 bytes are damaged", JournalReason.BAD_HEADER)


def encode_frames(frames: Iterable[Frame]) -> bytes:
    """Return the raw payload of a block."""
    pack = FRAME_HEADER.pack
    return b"".join(
        [
            part
            for kind, connection, sequence, received_ns, monotonic_ns, data in frames
            for part in (
                pack(len(data), kind, 0, 0, connection, sequence, received_ns, monotonic_ns),
                data,
            )
        ]
    )


def decode_frames(payload: bytes) -> list[Frame]:
    """Divide a raw payload into its frames.

    Raises:
        PeerError: ``bad_frames``.
    """
    frames, offset, end, header = [], 0, len(payload), FRAME_HEADER.size
    kind_of, read = _KINDS.get, FRAME_HEADER.unpack_from
    while offset < end:
        if offset + header > end:
            raise PeerError("a journal frame is cut off", JournalReason.BAD_FRAMES)
        length, number, _, _, connection, sequence, received_ns, monotonic_ns = read(payload, offset)
        start, offset, kind = offset + header, offset + header + length, kind_of(number)
        if offset > end or kind is None:
            raise PeerError("a journal frame is damaged", JournalReason.BAD_FRAMES)
        values = (kind, connection, sequence, received_ns, monotonic_ns, payload[start:offset])
        frames.append(_new(Frame, values))
    return frames


class BlockEncoder:
    """Makes the blocks of one writer; what compresses them is set up once."""

    def __init__(self, zstd_level: int) -> None:
        """Prepare; level 0 stores blocks as they are."""
        self._compressor = zstandard.ZstdCompressor(zstd_level) if zstd_level else None

    def encode(self, frames: list[Frame], number: int) -> bytes:
        """Return a block as stored."""
        raw, flags = encode_frames(frames), 0
        payload = raw
        if self._compressor is not None:
            payload, flags = self._compressor.compress(raw), COMPRESSED
        return _block(payload, len(raw), number, len(frames), flags, frames[0].received_ns)


def encode_block(frames: list[Frame], number: int, zstd_level: int) -> bytes:
    """Return one block as stored; level 0 stores it as it is."""
    return BlockEncoder(zstd_level).encode(frames, number)


class Contents(NamedTuple):
    """What a seal says of the blocks before it."""

    blocks: int
    """How many."""
    frames: int
    """Frames in them."""
    first_ns: int
    """received_ns of the first frame, 0 without frames."""
    last_ns: int
    """received_ns of the last frame, 0 without frames."""


def encode_seal(
    number: int, contents: Contents, digest: bytes, damaged: Iterable[tuple[int, int]] = ()
) -> bytes:
    """Return the block that closes a file (OB-507).

    Args:
        number: the seal's own block number.
        contents: what lies before it.
        digest: BLAKE3 of all bytes before it.
        damaged: byte ranges that cannot be read; listed only when there are any (OB-508).
    """
    document: dict[str, Json] = {**contents._asdict(), "blake3": digest.hex()}
    ranges: list[Json] = [[start, end] for start, end in damaged]
    if ranges:
        document["damaged"] = ranges
    payload = canonical_json(document)
    return _block(payload, len(payload), number, 0, SEAL, 0)


def read_block(data: Buffer, block: Block) -> list[Frame]:
    """Return the frames of a block that ``scan`` found.

    Raises:
        PeerError: the payload does not unpack: ``bad_block`` or ``bad_frames``.
    """
    _, payload_bytes, _, raw_bytes, _, _, flags, _ = BLOCK_HEADER.unpack_from(data, block.offset)
    start = block.offset + BLOCK_HEADER.size
    payload = bytes(data[start : start + payload_bytes])
    if flags & COMPRESSED:
        payload = _unpacked(payload, raw_bytes)
    return decode_frames(payload)


def _unpacked(payload: bytes, raw_bytes: int) -> bytes:
    """Return a compressed payload, whose own header must name the size that the block names: no block unpacks to more."""
    try:
        if zstandard.frame_content_size(payload) == raw_bytes:
            return zstandard.ZstdDecompressor().decompress(payload)
    except zstandard.ZstdError as error:
        raise PeerError(f"a journal block does not unpack: {error}", JournalReason.BAD_BLOCK) from error
    raise PeerError("a journal block does not unpack to its size", JournalReason.BAD_BLOCK)


def scan(data: Buffer) -> Scan:
    """Find every valid block of a file, whatever happened to it."""
    try:
        header = decode_file_header(data)
    except PeerError:
        return Scan(None, (), 0, ())
    blocks: list[Block] = []
    damaged: list[tuple[int, int]] = []
    offset = FILE_HEADER_BYTES
    while offset < len(data):
        last = blocks[-1].number if blocks else -1
        block = block_at(data, offset)
        if block is None or block.number != last + 1:
            following = _next_valid(data, offset, last)
            if following is None:
                return Scan(header, tuple(blocks), offset, tuple(damaged))
            damaged.append((offset, following.offset))
            block = following
        blocks.append(block)
        offset = block.end
    return Scan(header, tuple(blocks), None, tuple(damaged))


def block_at(data: Buffer, offset: int) -> Block | None:
    """Return the block that begins at an offset, None unless it is whole and its checksum is right."""
    if offset + BLOCK_HEADER.size > len(data):
        return None
    magic, payload_bytes, crc, raw_bytes, number, frame_count, flags, _ = BLOCK_HEADER.unpack_from(
        data, offset
    )
    end = offset + BLOCK_HEADER.size + payload_bytes
    sane = magic == BLOCK_MAGIC and 1 <= payload_bytes <= BLOCK_BYTES and raw_bytes <= BLOCK_BYTES
    if not sane or end > len(data) or google_crc32c.value(bytes(data[offset + CRC_FROM : end])) != crc:
        return None
    return Block(offset, end, number, frame_count, bool(flags & SEAL))


def frames_of(data: Buffer, found: Scan) -> Iterator[Frame]:
    """Yield the frames of all blocks of a scanned file."""
    for block in found.blocks:
        if not block.is_seal:
            yield from read_block(data, block)


def digest_of(data: Buffer, size: int | None = None) -> bytes:
    """Return the BLAKE3 of a file's bytes, or of its first ``size`` ones."""
    with memoryview(data) as whole, whole[:size] as part:
        return blake3(part, max_threads=blake3.AUTO).digest()


def contents_of(data: Buffer, blocks: Sequence[Block]) -> Contents:
    """Return what a seal says of blocks, reading frames of the last one only."""
    holding = [block for block in blocks if not block.is_seal]
    if not holding:
        return Contents(len(blocks), 0, 0, 0)
    first_ns = BLOCK_HEADER.unpack_from(data, holding[0].offset)[-1]
    try:
        last_ns = read_block(data, holding[-1])[-1].received_ns
    except PeerError:  # its checksum is right and its frames are not: whoever reads them will say so
        last_ns = BLOCK_HEADER.unpack_from(data, holding[-1].offset)[-1]
    return Contents(len(blocks), sum(block.frame_count for block in holding), first_ns, last_ns)


def _block(payload: bytes, raw_bytes: int, number: int, frame_count: int, flags: int, first_ns: int) -> bytes:
    head = BLOCK_HEADER.pack(BLOCK_MAGIC, len(payload), 0, raw_bytes, number, frame_count, flags, first_ns)
    crc = google_crc32c.extend(google_crc32c.value(head[CRC_FROM:]), payload)
    return b"".join((head[:8], struct.pack("<I", crc), head[CRC_FROM:], payload))


def _next_valid(data: Buffer, start: int, above: int) -> Block | None:
    for found in _MAGIC.finditer(data, start):
        block = block_at(data, found.start())
        if block is not None and block.number > above:
            return block
    return None


_MAGIC: Final = re.compile(re.escape(BLOCK_MAGIC))
_KINDS: Final = {kind.value: kind for kind in Kind}
_VENUES: Final = frozenset(venue.value for venue in Venue)
_new: Final = tuple.__new__
