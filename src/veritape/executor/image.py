"""A program as the machine loads it: segments, entry, memory size, and its id (EX-141, 142, 281)."""

import struct
from dataclasses import dataclass
from enum import IntFlag

CODE_START = 0x0001_0000
"""First address of code and constants; below it lies the null guard."""

CODE_END = 0x0100_0000
"""End of the code area and first address of RAM."""

DEFAULT_MEMORY_BYTES = 16_777_216
"""RAM of a program that asks for nothing else."""

MIN_MEMORY_BYTES, MAX_MEMORY_BYTES = 65_536, 134_217_728
"""Bounds of ``memory_bytes``, a power of two: the whole map stays below 2^28 (ST-501)."""

WORD_BYTES = 4
"""Mapping goes by whole words."""


class Permission(IntFlag):
    """What a mapped word allows; the bits are the ELF's own."""

    EXECUTE = 1
    WRITE = 2
    READ = 4


@dataclass(frozen=True)
class Segment:
    """One range of the image."""

    address: int
    """First byte, a multiple of 4."""
    memory_bytes: int
    """Length when mapped, a multiple of 4; what ``data`` does not fill is zero."""
    permissions: Permission
    """R, RX in the code area; R, RW in RAM."""
    data: bytes
    """Initial content, a multiple of 4 long."""

    @property
    def end(self) -> int:
        """Return the address after the last byte."""
        return self.address + self.memory_bytes


@dataclass(frozen=True)
class Image:
    """A loaded program; made by the loader, which checks it."""

    entry: int
    """First instruction."""
    memory_bytes: int
    """RAM."""
    segments: tuple[Segment, ...]
    """Ascending, without overlap."""

    @property
    def memory_end(self) -> int:
        """Return the address after the RAM: the stack pointer at entry."""
        return CODE_END + self.memory_bytes

    def to_bytes(self) -> bytes:
        """Return the bytes that the program id is the digest of (EX-281)."""
        head = struct.pack("<4sHHII", b"VTIM", 1, len(self.segments), self.entry, self.memory_bytes)
        parts = [
            struct.pack("<IIII", s.address, s.memory_bytes, len(s.data), s.permissions) + s.data
            for s in self.segments
        ]
        return head + b"".join(parts)
