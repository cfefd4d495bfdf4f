"""A small assembler for the executor's tests: names to words, words to images. Written from the specification's tables."""

import struct
from collections.abc import Sequence

from veritape.executor.image import CODE_END, CODE_START, DEFAULT_MEMORY_BYTES, Image, Permission, Segment

REGISTER = {
    name: (funct3, funct7)
    for funct7, names in (
        (0, ("add", "sll", "slt", "sltu", "xor", "srl", "or", "and")),
        (1, ("mul", "mulh", "mulhsu", "mulhu", "div", "divu", "rem", "remu")),
    )
    for funct3, name in enumerate(names)
} | {"sub": (0, 0x20), "sra": (5, 0x20)}
IMMEDIATE = {"addi": 0, "slti": 2, "sltiu": 3, "xori": 4, "ori": 6, "andi": 7}
SHIFT = {"slli": (1, 0), "srli": (5, 0), "srai": (5, 0x20)}
BRANCH = {"beq": 0, "bne": 1, "blt": 4, "bge": 5, "bltu": 6, "bgeu": 7}
LOAD = {"lb": 0, "lh": 1, "lw": 2, "lbu": 4, "lhu": 5}
STORE = {"sb": 0, "sh": 1, "sw": 2}
ECALL, EBREAK, NOP, FENCE = 0x73, 0x00100073, 0x13, 0x0F
RAM = CODE_END
EXECUTABLE = Permission.READ | Permission.EXECUTE


def r(name: str, rd: int, rs1: int, rs2: int) -> int:
    funct3, funct7 = REGISTER[name]
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x33


def i(name: str, rd: int, rs1: int, immediate: int) -> int:
    if name in SHIFT:
        funct3, funct7 = SHIFT[name]
        return funct7 << 25 | (immediate & 31) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x13
    return (immediate & 0xFFF) << 20 | rs1 << 15 | IMMEDIATE[name] << 12 | rd << 7 | 0x13


def load(name: str, rd: int, rs1: int, offset: int) -> int:
    return (offset & 0xFFF) << 20 | rs1 << 15 | LOAD[name] << 12 | rd << 7 | 0x03


def store(name: str, rs2: int, rs1: int, offset: int) -> int:
    o = offset & 0xFFF
    return o >> 5 << 25 | rs2 << 20 | rs1 << 15 | STORE[name] << 12 | (o & 31) << 7 | 0x23


def branch(name: str, rs1: int, rs2: int, offset: int) -> int:
    o = offset & 0x1FFF
    high = (o >> 12 & 1) << 31 | (o >> 5 & 0x3F) << 25
    return high | rs2 << 20 | rs1 << 15 | BRANCH[name] << 12 | (o >> 1 & 0xF) << 8 | (o >> 11 & 1) << 7 | 0x63


def jal(rd: int, offset: int) -> int:
    o = offset & 0x1FFFFF
    bits = (o >> 20 & 1) << 31 | (o >> 1 & 0x3FF) << 21 | (o >> 11 & 1) << 20 | (o >> 12 & 0xFF) << 12
    return bits | rd << 7 | 0x6F


def jalr(rd: int, rs1: int, offset: int) -> int:
    return (offset & 0xFFF) << 20 | rs1 << 15 | rd << 7 | 0x67


def lui(rd: int, upper: int) -> int:
    return (upper & 0xFFFFF) << 12 | rd << 7 | 0x37


def auipc(rd: int, upper: int) -> int:
    return (upper & 0xFFFFF) << 12 | rd << 7 | 0x17


def li(rd: int, value: int) -> list[int]:
    return [lui(rd, (value + 0x800) >> 12), i("addi", rd, rd, value)]


def call(number: int, *arguments: int) -> list[int]:
    words = []
    for place, argument in enumerate(arguments):
        words += li(10 + place, argument)
    return [*words, *li(17, number), ECALL]


def halt(code: int = 0) -> list[int]:
    return call(0, code)


def image(
    words: Sequence[int],
    data: bytes = b"",
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    *,
    read_only: bool = False,
) -> Image:
    """Return a program of code words at the code area's start and data at the RAM's start."""
    code = struct.pack(f"<{len(words)}I", *words)
    segments = [Segment(CODE_START, len(code), EXECUTABLE, code)]
    if data:
        flags = Permission.READ if read_only else Permission.READ | Permission.WRITE
        segments.append(
            Segment(RAM, len(data) + -len(data) % 4, flags, data.ljust(len(data) + -len(data) % 4, b"\0"))
        )
    return Image(CODE_START, memory_bytes, tuple(segments))


def elf(made: Image) -> bytes:
    """Return an ELF file of an image."""
    count = len(made.segments)
    offset, table, body = 52 + 32 * count, b"", b""
    for segment in made.segments:
        fields = (1, offset + len(body), segment.address, segment.address, len(segment.data))
        table += struct.pack("<8I", *fields, segment.memory_bytes, int(segment.permissions), 4)
        body += segment.data
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIIIIIHHHHHH", ident, 2, 243, 1, made.entry, 52, 0, 0, 52, 32, count, 0, 0, 0)
    return header + table + body


def tape(rows: Sequence[tuple[int, int, int, int, int]], code: bytes = b"990001", scale: int = 0) -> bytes:
    """Return a tape of rows (event_s, side, counted, price, shares)."""
    head = b"veritape.trades.v1\0" + code.ljust(12, b"\0") + struct.pack("<I", scale)
    return head + b"".join(struct.pack("<IBBHQQ", e, s, c, 0, p, n) for e, s, c, p, n in rows)
