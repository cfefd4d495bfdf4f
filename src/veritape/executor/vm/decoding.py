"""From a 32-bit word to an operation with its operands (EX-105). Source: RISC-V unprivileged specification, chapters 2 and 13."""

from enum import IntEnum
from typing import NamedTuple


class Operation(IntEnum):
    """What a word does; the numbers are shared with the compiled kernel and mean nothing outside."""

    LUI = 0
    AUIPC = 1
    JAL = 2
    JALR = 3
    BEQ = 4
    BNE = 5
    BLT = 6
    BGE = 7
    BLTU = 8
    BGEU = 9
    LB = 10
    LH = 11
    LW = 12
    LBU = 13
    LHU = 14
    SB = 15
    SH = 16
    SW = 17
    ADDI = 18
    SLTI = 19
    SLTIU = 20
    XORI = 21
    ORI = 22
    ANDI = 23
    SLLI = 24
    SRLI = 25
    SRAI = 26
    ADD = 27
    SUB = 28
    SLL = 29
    SLT = 30
    SLTU = 31
    XOR = 32
    SRL = 33
    SRA = 34
    OR = 35
    AND = 36
    MUL = 37
    MULH = 38
    MULHSU = 39
    MULHU = 40
    DIV = 41
    DIVU = 42
    REM = 43
    REMU = 44
    FENCE = 45
    ECALL = 46
    EBREAK = 47


class Instruction(NamedTuple):
    """A decoded word."""

    operation: Operation
    """What it does."""
    rd: int
    """Register written, 0..31."""
    rs1: int
    """First register read."""
    rs2: int
    """Second register read."""
    immediate: int
    """Signed; the upper 20 bits already shifted for LUI and AUIPC, the shift amount for shifts."""


_BRANCHES = {0: "BEQ", 1: "BNE", 4: "BLT", 5: "BGE", 6: "BLTU", 7: "BGEU"}
_LOADS = {0: "LB", 1: "LH", 2: "LW", 4: "LBU", 5: "LHU"}
_STORES = {0: "SB", 1: "SH", 2: "SW"}
_IMMEDIATES = {0: "ADDI", 2: "SLTI", 3: "SLTIU", 4: "XORI", 6: "ORI", 7: "ANDI"}
_SHIFTS = {(1, 0): "SLLI", (5, 0): "SRLI", (5, 0x20): "SRAI"}
_REGISTERS = {
    **{(f, 0): n for f, n in enumerate(("ADD", "SLL", "SLT", "SLTU", "XOR", "SRL", "OR", "AND"))},
    (0, 0x20): "SUB",
    (5, 0x20): "SRA",
    **{(f, 1): n for f, n in enumerate(("MUL", "MULH", "MULHSU", "MULHU", "DIV", "DIVU", "REM", "REMU"))},
}
_SYSTEM = {0x00000073: "ECALL", 0x00100073: "EBREAK"}


_OP_IMMEDIATE, _OP_JAL, _OP_BRANCH, _OP_STORE = 0x13, 0x6F, 0x63, 0x23


def decode(word: int) -> Instruction | None:
    """Return the instruction of a word, or None where the machine has none."""
    name = _name(word)
    if name is None:
        return None
    rd, rs1, rs2 = word >> 7 & 31, word >> 15 & 31, word >> 20 & 31
    return Instruction(Operation[name], rd, rs1, rs2, _immediate(word, name))


def _name(word: int) -> str | None:
    opcode, funct3, funct7 = word & 0x7F, word >> 12 & 7, word >> 25
    if opcode == _OP_IMMEDIATE and funct3 in {1, 5}:
        return _SHIFTS.get((funct3, funct7))
    found = {
        0x37: "LUI",
        0x17: "AUIPC",
        0x6F: "JAL",
        0x67: "JALR" if funct3 == 0 else None,
        0x63: _BRANCHES.get(funct3),
        0x03: _LOADS.get(funct3),
        0x23: _STORES.get(funct3),
        0x13: _IMMEDIATES.get(funct3),
        0x33: _REGISTERS.get((funct3, funct7)),
        0x0F: "FENCE" if funct3 == 0 else None,
        0x73: _SYSTEM.get(word),
    }
    return found.get(opcode)


def _immediate(word: int, name: str) -> int:
    opcode = word & 0x7F
    if opcode in {0x37, 0x17}:
        return _signed(word & 0xFFFFF000, 32)
    if opcode == _OP_JAL:
        bits = (
            (word >> 31 & 1) << 20
            | (word >> 12 & 0xFF) << 12
            | (word >> 20 & 1) << 11
            | (word >> 21 & 0x3FF) << 1
        )
        return _signed(bits, 21)
    if opcode == _OP_BRANCH:
        bits = (
            (word >> 31 & 1) << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 0x3F) << 5 | (word >> 8 & 0xF) << 1
        )
        return _signed(bits, 13)
    if opcode == _OP_STORE:
        return _signed(word >> 25 << 5 | word >> 7 & 31, 12)
    if name in _SHIFTS.values():
        return word >> 20 & 31
    return _signed(word >> 20, 12)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value
