"""Every instruction as one function of one shape: (hart, instruction) -> next program counter.

Registers hold unsigned 32-bit numbers; ``_signed`` reads one as two's complement. An instruction does its checks first, then
its effects, then writes its register, so a trap leaves no half of it behind. Source: RISC-V unprivileged specification,
RV32I 2.1 and M 2.0.
"""

from collections.abc import Callable, Mapping
from typing import Final

from veritape.executor.vm.decoding import Instruction, Operation
from veritape.executor.vm.memory import Memory
from veritape.executor.vm.traps import Trapped, TrapReason

MASK: Final = 0xFFFFFFFF
"""32 bits."""

SIGN: Final = 0x80000000
"""The sign bit."""


class Hart:
    """Registers and memory: all that an instruction may change beside the program counter."""

    def __init__(self, memory: Memory, stack: int, pc: int) -> None:
        self.memory = memory
        self.registers = [0] * 32
        self.registers[2] = stack
        self.pc = pc

    def write(self, register: int, value: int) -> None:
        """Set a register; writes to x0 are discarded."""
        if register:
            self.registers[register] = value & MASK


Step = Callable[[Hart, Instruction], int]
"""One instruction's effect; returns the next program counter.

Raises:
    Trapped: the instruction traps and has had no effect.
"""


def _signed(value: int) -> int:
    return (value ^ SIGN) - SIGN


def _compute(value: Callable[[int, int], int]) -> Step:
    """Make an instruction rd = value(rs1, rs2)."""

    def step(hart: Hart, at: Instruction) -> int:
        hart.write(at.rd, value(hart.registers[at.rs1], hart.registers[at.rs2]))
        return hart.pc + 4

    return step


def _compute_immediate(value: Callable[[int, int], int]) -> Step:
    """Make an instruction rd = value(rs1, immediate as unsigned)."""

    def step(hart: Hart, at: Instruction) -> int:
        hart.write(at.rd, value(hart.registers[at.rs1], at.immediate & MASK))
        return hart.pc + 4

    return step


def _branch(taken: Callable[[int, int], bool]) -> Step:
    """Make an instruction that jumps when taken(rs1, rs2)."""

    def step(hart: Hart, at: Instruction) -> int:
        if not taken(hart.registers[at.rs1], hart.registers[at.rs2]):
            return hart.pc + 4
        return _target(hart.pc + at.immediate)

    return step


def _load(size: int, *, sign_bit: int = 0) -> Step:
    """Make a load; ``sign_bit`` extends the sign, 0 extends with zeros."""

    def step(hart: Hart, at: Instruction) -> int:
        value = hart.memory.load(hart.registers[at.rs1] + at.immediate & MASK, size)
        hart.write(at.rd, (value ^ sign_bit) - sign_bit)
        return hart.pc + 4

    return step


def _store(size: int) -> Step:
    """Make a store of the low bytes of rs2."""

    def step(hart: Hart, at: Instruction) -> int:
        hart.memory.store(hart.registers[at.rs1] + at.immediate & MASK, size, hart.registers[at.rs2])
        return hart.pc + 4

    return step


def _target(address: int) -> int:
    """Return where a jump goes.

    Raises:
        Trapped: the target is no multiple of 4.
    """
    if address % 4:
        raise Trapped(TrapReason.MISALIGNED_FETCH, address & MASK)
    return address & MASK


def _lui(hart: Hart, at: Instruction) -> int:
    hart.write(at.rd, at.immediate)
    return hart.pc + 4


def _auipc(hart: Hart, at: Instruction) -> int:
    hart.write(at.rd, hart.pc + at.immediate)
    return hart.pc + 4


def _jal(hart: Hart, at: Instruction) -> int:
    target = _target(hart.pc + at.immediate)
    hart.write(at.rd, hart.pc + 4)
    return target


def _jalr(hart: Hart, at: Instruction) -> int:
    target = _target(hart.registers[at.rs1] + at.immediate & ~1)
    hart.write(at.rd, hart.pc + 4)
    return target


def _fence(hart: Hart, _: Instruction) -> int:
    return hart.pc + 4


def _ebreak(_: Hart, __: Instruction) -> int:
    raise Trapped(TrapReason.BREAKPOINT)


def _divide(a: int, b: int) -> int:
    """Divide as signed, truncating; by zero gives all ones (EX-106)."""
    if b == 0:
        return MASK
    quotient = abs(_signed(a)) // abs(_signed(b))
    return -quotient if (a ^ b) & SIGN else quotient


def _remainder(a: int, b: int) -> int:
    """Return the signed remainder, with the dividend's sign; by zero gives the dividend (EX-106)."""
    if b == 0:
        return a
    rest = abs(_signed(a)) % abs(_signed(b))
    return -rest if a & SIGN else rest


def _shift_right_arithmetic(a: int, b: int) -> int:
    return _signed(a) >> (b & 31)


def _less(a: int, b: int) -> bool:
    return _signed(a) < _signed(b)


STEPS: Final[Mapping[Operation, Step]] = {
    Operation.LUI: _lui,
    Operation.AUIPC: _auipc,
    Operation.JAL: _jal,
    Operation.JALR: _jalr,
    Operation.BEQ: _branch(lambda a, b: a == b),
    Operation.BNE: _branch(lambda a, b: a != b),
    Operation.BLT: _branch(_less),
    Operation.BGE: _branch(lambda a, b: not _less(a, b)),
    Operation.BLTU: _branch(lambda a, b: a < b),
    Operation.BGEU: _branch(lambda a, b: a >= b),
    Operation.LB: _load(1, sign_bit=0x80),
    Operation.LH: _load(2, sign_bit=0x8000),
    Operation.LW: _load(4),
    Operation.LBU: _load(1),
    Operation.LHU: _load(2),
    Operation.SB: _store(1),
    Operation.SH: _store(2),
    Operation.SW: _store(4),
    Operation.ADDI: _compute_immediate(lambda a, b: a + b),
    Operation.SLTI: _compute_immediate(_less),
    Operation.SLTIU: _compute_immediate(lambda a, b: a < b),
    Operation.XORI: _compute_immediate(lambda a, b: a ^ b),
    Operation.ORI: _compute_immediate(lambda a, b: a | b),
    Operation.ANDI: _compute_immediate(lambda a, b: a & b),
    Operation.SLLI: _compute_immediate(lambda a, b: a << b),
    Operation.SRLI: _compute_immediate(lambda a, b: a >> b),
    Operation.SRAI: _compute_immediate(_shift_right_arithmetic),
    Operation.ADD: _compute(lambda a, b: a + b),
    Operation.SUB: _compute(lambda a, b: a - b),
    Operation.SLL: _compute(lambda a, b: a << (b & 31)),
    Operation.SLT: _compute(_less),
    Operation.SLTU: _compute(lambda a, b: a < b),
    Operation.XOR: _compute(lambda a, b: a ^ b),
    Operation.SRL: _compute(lambda a, b: a >> (b & 31)),
    Operation.SRA: _compute(_shift_right_arithmetic),
    Operation.OR: _compute(lambda a, b: a | b),
    Operation.AND: _compute(lambda a, b: a & b),
    Operation.MUL: _compute(lambda a, b: a * b),
    Operation.MULH: _compute(lambda a, b: _signed(a) * _signed(b) >> 32),
    Operation.MULHSU: _compute(lambda a, b: _signed(a) * b >> 32),
    Operation.MULHU: _compute(lambda a, b: a * b >> 32),
    Operation.DIV: _compute(_divide),
    Operation.DIVU: _compute(lambda a, b: a // b if b else MASK),
    Operation.REM: _compute(_remainder),
    Operation.REMU: _compute(lambda a, b: a % b if b else a),
    Operation.FENCE: _fence,
    Operation.EBREAK: _ebreak,
}
"""Every operation but ECALL, which ``calls`` carries out."""
