"""Vectors: how a child process tells its supervisor the state of its registry (TL-120).

A frame is, little-endian: ``VTVECTOR``, the registry's digest (16 bytes), process id (u32), number of values (u32),
sequence (u64), CRC-32 of these 40 bytes (u32); then the values (float64 each) and the CRC-32 of the values (u32). A child
may be killed in the middle of a frame and its successor writes to the same pipe, so the reader looks for the next frame
after anything that it cannot read. A vector is a whole state, not a change: losing one loses at most a second.

Example: one value 2.0 of process 7 is 8 + 16 + 4 + 4 + 8 + 4 + 8 + 4 = 56 bytes.
"""

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from veritape.telemetry.registry import DIGEST_BYTES, Registry

MAGIC = b"VTVECTOR"
"""Begins a frame."""

HEADER = struct.Struct(f"<8s{DIGEST_BYTES}sIIQ")
"""Magic, digest, process id, number of values, sequence."""

CHECKSUM = struct.Struct("<I")
"""CRC-32 of what stands before it: of the header, and of the values."""

VALUES_LIMIT = 8192
"""Values that a frame may announce: four times the bound of TL-090, so a reader never waits for more than 64 KiB."""


class Refusal(StrEnum):
    """Why bytes from a pipe were not taken."""

    GARBAGE = "garbage"
    """No frame begins there: the end of a killed process."""
    DIGEST = "digest"
    """The sender has other families: another version."""
    LENGTH = "length"
    """The number of values is not the registry's."""
    CHECKSUM = "checksum"
    """The values were torn."""
    VALUES = "values"
    """A count is negative or not a number."""


@dataclass(frozen=True)
class Vector:
    """The state of one process."""

    process_id: int
    """Which process of the part; another id on the same pipe means that its predecessor is dead."""
    sequence: int
    """Vectors sent before by this process."""
    values: tuple[float, ...]
    """Every slot in registry order."""


def encode(registry: Registry, process_id: int, sequence: int) -> bytes:
    """Return the frame of a registry's present state."""
    header = HEADER.pack(MAGIC, registry.digest, process_id, len(registry.values), sequence)
    values = struct.pack(f"<{len(registry.values)}d", *registry.values)
    return b"".join((header, CHECKSUM.pack(zlib.crc32(header)), values, CHECKSUM.pack(zlib.crc32(values))))


class VectorDecoder:
    """Reads the vectors of one pipe. Any bytes are safe: what cannot be read is refused by reason and skipped."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._buffer = bytearray()
        self.refused: dict[Refusal, int] = dict.fromkeys(Refusal, 0)
        """How often bytes were refused, by reason."""

    def feed(self, data: bytes) -> list[Vector]:
        """Take what was read; return the vectors that are now complete."""
        self._buffer += data
        vectors = []
        while (taken := self._take()) is not None:
            if isinstance(taken, Vector):
                vectors.append(taken)
            else:
                self.refused[taken] += 1
        return vectors

    def _take(self) -> Vector | Refusal | None:
        """Consume one frame or what stands before it; None: more bytes are needed."""
        if self._skip_to_magic():
            return Refusal.GARBAGE
        prefix = HEADER.size + CHECKSUM.size
        if len(self._buffer) < prefix:
            return None
        _, digest, process_id, count, sequence = HEADER.unpack_from(self._buffer)
        (checksum,) = CHECKSUM.unpack_from(self._buffer, HEADER.size)
        if checksum != zlib.crc32(self._buffer[: HEADER.size]) or count > VALUES_LIMIT:
            del self._buffer[: len(MAGIC)]
            return Refusal.GARBAGE
        end = prefix + 8 * count
        if len(self._buffer) < end + CHECKSUM.size:
            return None
        octets = bytes(self._buffer[prefix:end])
        if CHECKSUM.unpack_from(self._buffer, end)[0] != zlib.crc32(octets):
            del self._buffer[: len(MAGIC)]
            return Refusal.CHECKSUM
        del self._buffer[: end + CHECKSUM.size]
        values = struct.unpack(f"<{count}d", octets)
        return self._refusal(digest, values) or Vector(process_id, sequence, values)

    def _skip_to_magic(self) -> bool:
        """Drop bytes that begin no frame; tell whether there were any."""
        start = self._buffer.find(MAGIC)
        if start < 0:
            kept = next(
                (size for size in range(len(MAGIC) - 1, 0, -1) if self._buffer.endswith(MAGIC[:size])), 0
            )
            start = len(self._buffer) - kept
        del self._buffer[:start]
        return start > 0

    def _refusal(self, digest: bytes, values: Sequence[float]) -> Refusal | None:
        if digest != self._registry.digest:
            return Refusal.DIGEST
        if len(values) != len(self._registry.values):
            return Refusal.LENGTH
        for metric, _, slot in (*self._registry.rows, *self._registry.other_rows):
            if metric.adds_up and not all(
                value >= 0 and math.isfinite(value) for value in values[slot : slot + len(metric.buckets) + 1]
            ):
                return Refusal.VALUES
        return None
