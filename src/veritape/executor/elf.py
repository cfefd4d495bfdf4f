"""The loader: hostile bytes in, a checked image or a reason out; nothing is executed (EX-143 to 147).

Symbol tables, section headers and debug information are not read, so they do not change the program id. Checks run in the
order of EX-147's table, and the first that fails is the answer. Source: System V ABI, chapters 4 and 5; RISC-V ELF psABI.
"""

import struct
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from veritape.executor.image import (
    CODE_END,
    CODE_START,
    DEFAULT_MEMORY_BYTES,
    MAX_MEMORY_BYTES,
    MIN_MEMORY_BYTES,
    WORD_BYTES,
    Image,
    Permission,
    Segment,
)
from veritape.kernel.errors import PeerError

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Longest file that is looked at."""

MAX_IMAGE_BYTES = 4 * 1024 * 1024
"""Most bytes of initial data (ST-544)."""

MAX_CODE_BYTES = 1024 * 1024
"""Most executable bytes."""

MAX_PROGRAM_HEADERS = 16
"""More segments than any guest needs."""


class ImageReason(StrEnum):
    """Why a file is no program for this machine."""

    TOO_LARGE = "too_large"
    """The file is over 16 MiB."""
    NOT_ELF = "not_elf"
    """No ELF magic, another ELF version, or shorter than its header."""
    WRONG_CLASS = "wrong_class"
    """64-bit or big endian."""
    WRONG_MACHINE = "wrong_machine"
    """Not RISC-V, or not a fixed-address executable: link with -static -fno-pic."""
    UNSUPPORTED_FLAGS = "unsupported_flags"
    """Compressed code, float ABI, RVE or TSO: build with -mcpu=generic_rv32+m."""
    BAD_PROGRAM_HEADERS = "bad_program_headers"
    """None or more than 16, of a wrong size, or outside the file."""
    NO_EXECUTABLE_SEGMENT = "no_executable_segment"
    """Nothing to execute."""
    BAD_MEMORY_SIZE = "bad_memory_size"
    """Not a power of two from 64 KiB to 128 MiB, or a segment lies above the RAM's end."""
    UNSUPPORTED_SEGMENT = "unsupported_segment"
    """Interpreter, dynamic, thread-local or unknown segment: link statically."""
    SEGMENT_BOUNDS = "segment_bounds"
    """Offset or size outside the file, more file than memory, or past the address space."""
    SEGMENT_ALIGNMENT = "segment_alignment"
    """A segment's address is no multiple of 4."""
    SEGMENT_ADDRESS = "segment_address"
    """A segment lies outside the memory map."""
    SEGMENT_PERMISSIONS = "segment_permissions"
    """Writable and executable together, writable code, executable RAM, or not readable."""
    SEGMENT_OVERLAP = "segment_overlap"
    """Two segments share a byte."""
    BAD_ENTRY = "bad_entry"
    """The entry is misaligned or not executable."""
    IMAGE_TOO_LARGE = "image_too_large"
    """Over 4 MiB of data or 1 MiB of code."""


_HEADER: Final = struct.Struct("<16sHHIIIIIHHHHHH")
_PROGRAM_HEADER: Final = struct.Struct("<IIIIIIII")
_RISCV, _EXECUTABLE, _VERSION = 243, 2, 1
_LOAD, _NULL, _NOTE, _PHDR, _OS_SPECIFIC = 1, 0, 4, 6, 0x6000_0000
_SKIPPED: Final = frozenset({_NULL, _NOTE, _PHDR})
_ADDRESS_SPACE = 1 << 32


class _Header(NamedTuple):
    """One program header."""

    kind: int
    offset: int
    address: int
    physical: int
    file_bytes: int
    memory_bytes: int
    flags: int
    alignment: int


def load(data: bytes, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> Image:
    """Return the image of an ELF file.

    Raises:
        PeerError: with an ``ImageReason``.
    """
    entry, headers = _headers(data)
    loaded = [header for header in headers if header.kind == _LOAD and header.memory_bytes]
    if not any(header.flags & Permission.EXECUTE for header in loaded):
        raise _refusal(ImageReason.NO_EXECUTABLE_SEGMENT)
    _check_memory_size(memory_bytes, loaded)
    if any(h.kind < _OS_SPECIFIC and h.kind != _LOAD and h.kind not in _SKIPPED for h in headers):
        raise _refusal(ImageReason.UNSUPPORTED_SEGMENT)
    for reason in (_bounds, _alignment, _address, _permissions):
        for header in headers:
            if header.kind == _LOAD and (found := reason(header, len(data))):
                raise _refusal(found)
    return _image(data, entry, memory_bytes, loaded)


def _refusal(reason: ImageReason) -> PeerError:
    texts = {ImageReason.WRONG_MACHINE: "link with -static -fno-pic for RISC-V", ImageReason.UNSUPPORTED_FLAGS: "build with -mcpu=generic_rv32+m"}  # fmt: skip
    return PeerError(f"{reason}: {texts.get(reason, 'not a program for this machine')}", reason)


def _headers(data: bytes) -> tuple[int, list[_Header]]:
    if len(data) > MAX_FILE_BYTES:
        raise _refusal(ImageReason.TOO_LARGE)
    if len(data) < _HEADER.size or data[:4] != b"\x7fELF":
        raise _refusal(ImageReason.NOT_ELF)
    (ident, kind, machine, version, entry, table, _, flags, _, size, count, _, _, _) = _HEADER.unpack_from(
        data
    )
    checks = (
        (ImageReason.WRONG_CLASS, ident[4] != 1 or ident[5] != 1),
        (ImageReason.NOT_ELF, ident[6] != _VERSION),
        (ImageReason.WRONG_MACHINE, machine != _RISCV or kind != _EXECUTABLE),
        (ImageReason.NOT_ELF, version != _VERSION),
        (ImageReason.UNSUPPORTED_FLAGS, flags != 0),
        (
            ImageReason.BAD_PROGRAM_HEADERS,
            not 1 <= count <= MAX_PROGRAM_HEADERS
            or size != _PROGRAM_HEADER.size
            or table + count * size > len(data),
        ),
    )
    for reason, failed in checks:
        if failed:
            raise _refusal(reason)
    places = range(table, table + count * size, size)
    return entry, [_Header(*_PROGRAM_HEADER.unpack_from(data, place)) for place in places]


def _check_memory_size(memory_bytes: int, loaded: Sequence[_Header]) -> None:
    """Refuse a RAM size that is no power of two in bounds, or that a RAM segment does not fit."""
    fits = MIN_MEMORY_BYTES <= memory_bytes <= MAX_MEMORY_BYTES and memory_bytes & (memory_bytes - 1) == 0
    for header in loaded:
        end = header.address + _rounded(header.memory_bytes)
        larger_would_do = header.address >= CODE_END and end <= CODE_END + MAX_MEMORY_BYTES
        fits = fits and not (larger_would_do and end > CODE_END + memory_bytes)
    if not fits:
        raise _refusal(ImageReason.BAD_MEMORY_SIZE)


def _bounds(header: _Header, file_bytes: int) -> ImageReason | None:
    bad = (
        header.offset + header.file_bytes > file_bytes
        or header.file_bytes > header.memory_bytes
        or header.address + header.memory_bytes > _ADDRESS_SPACE
    )
    return ImageReason.SEGMENT_BOUNDS if bad else None


def _alignment(header: _Header, _: int) -> ImageReason | None:
    return ImageReason.SEGMENT_ALIGNMENT if header.memory_bytes and header.address % WORD_BYTES else None


def _in_code(header: _Header) -> bool:
    return header.address >= CODE_START and header.address + _rounded(header.memory_bytes) <= CODE_END


def _address(header: _Header, _: int) -> ImageReason | None:
    if header.memory_bytes == 0 or _in_code(header):
        return None
    end = header.address + _rounded(header.memory_bytes)
    inside = header.address >= CODE_END and end <= CODE_END + MAX_MEMORY_BYTES
    return None if inside else ImageReason.SEGMENT_ADDRESS


def _permissions(header: _Header, _: int) -> ImageReason | None:
    """Refuse what the map forbids; in the code area a segment is also wholly in the file (EX-145)."""
    if header.memory_bytes == 0:
        return None
    if _in_code(header) and header.file_bytes != header.memory_bytes:
        return ImageReason.SEGMENT_BOUNDS
    flags = Permission(header.flags & 7)
    forbidden = Permission.WRITE if _in_code(header) else Permission.EXECUTE
    return ImageReason.SEGMENT_PERMISSIONS if flags & forbidden or not flags & Permission.READ else None


def _image(data: bytes, entry: int, memory_bytes: int, loaded: Sequence[_Header]) -> Image:
    ordered = sorted(loaded, key=lambda header: header.address)
    segments = tuple(
        Segment(
            header.address,
            _rounded(header.memory_bytes),
            Permission(header.flags & 7),
            _padded(data[header.offset : header.offset + header.file_bytes]),
        )
        for header in ordered
    )
    if any(first.end > second.address for first, second in pairwise(segments)):
        raise _refusal(ImageReason.SEGMENT_OVERLAP)
    code = [segment for segment in segments if segment.permissions & Permission.EXECUTE]
    if entry % WORD_BYTES or not any(segment.address <= entry < segment.end for segment in code):
        raise _refusal(ImageReason.BAD_ENTRY)
    sizes = sum(len(segment.data) for segment in segments), sum(segment.memory_bytes for segment in code)
    if sizes[0] > MAX_IMAGE_BYTES or sizes[1] > MAX_CODE_BYTES:
        raise _refusal(ImageReason.IMAGE_TOO_LARGE)
    return Image(entry, memory_bytes, segments)


def _rounded(size: int) -> int:
    return size + -size % WORD_BYTES


def _padded(data: bytes) -> bytes:
    return data.ljust(_rounded(len(data)), b"\0")
