"""What register operations compute, compiled. ``vm.instructions`` defines what is right."""

from typing import Any

import numpy as np
from numba import njit

from veritape.executor.vm.decoding import Operation as Op

_MASK = 0xFFFFFFFF
_SIGN = 0x80000000
_ADD, _SUB, _SLL, _SLT, _SLTU, _XOR = (int(op) for op in (Op.ADD, Op.SUB, Op.SLL, Op.SLT, Op.SLTU, Op.XOR))
_SRL, _SRA, _OR, _AND = int(Op.SRL), int(Op.SRA), int(Op.OR), int(Op.AND)
_MUL, _MULH, _MULHSU, _MULHU = int(Op.MUL), int(Op.MULH), int(Op.MULHSU), int(Op.MULHU)
_DIV, _DIVU, _REMU = int(Op.DIV), int(Op.DIVU), int(Op.REMU)


@njit(cache=True)
def signed(value: Any) -> Any:
    """Return a 32-bit word as a signed number."""
    return (value ^ _SIGN) - _SIGN


@njit(cache=True)
def arithmetic(op: Any, a: Any, b: Any) -> Any:
    """Compute rd of a register or immediate operation from unsigned operands."""
    if op == _ADD:
        return a + b
    if op == _SUB:
        return a - b
    if op == _SLL:
        return a << (b & 31)
    if op == _SLT:
        return np.int64(signed(a) < signed(b))
    if op == _SLTU:
        return np.int64(a < b)
    if op == _XOR:
        return a ^ b
    if op == _SRL:
        return a >> (b & 31)
    if op == _SRA:
        return signed(a) >> (b & 31)
    if op == _OR:
        return a | b
    if op == _AND:
        return a & b
    if op == _MUL:
        return a * b
    if op == _MULH:
        return (signed(a) * signed(b)) >> 32
    if op == _MULHSU:
        return (signed(a) * b) >> 32
    if op == _MULHU:
        return (a * b) >> 32
    if op == _DIVU:
        return a // b if b else np.int64(_MASK)
    if op == _REMU:
        return a % b if b else a
    if b == 0:
        return np.int64(_MASK) if op == _DIV else a
    x, y = signed(a), signed(b)
    if op == _DIV:
        quotient = abs(x) // abs(y)
        return -quotient if (x < 0) != (y < 0) else quotient
    rest = abs(x) % abs(y)
    return -rest if x < 0 else rest
