"""What register operations compute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.vm.compiled.arithmetic import arithmetic, signed
from veritape.executor.vm.decoding import Operation as Op

MASK = 0xFFFFFFFF
WORDS = st.sampled_from([0, 1, 2, 0x7FFFFFFF, 0x80000000, 0x80000001, MASK]) | st.integers(0, MASK)


def as_signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


@given(WORDS, WORDS)
def test_operations_agree_with_integers(a: int, b: int) -> None:
    """EX-105, EX-801: modulo 2^32; comparisons and products by the signs of their operands."""
    x, y = as_signed(a), as_signed(b)
    expected = {
        Op.ADD: a + b, Op.SUB: a - b, Op.SLL: a << (b & 31), Op.SLT: x < y, Op.SLTU: a < b, Op.XOR: a ^ b,
        Op.SRL: a >> (b & 31), Op.SRA: x >> (b & 31), Op.OR: a | b, Op.AND: a & b, Op.MUL: x * y,
        Op.MULH: (x * y) >> 32, Op.MULHSU: (x * b) >> 32, Op.MULHU: (a * b) >> 32,
    }  # fmt: skip
    for op, value in expected.items():
        assert int(arithmetic(int(op), a, b)) & MASK == int(value) & MASK, op
    assert signed(a) == x


@pytest.mark.parametrize(
    ("a", "b", "quotient", "rest"),
    [
        (7, 0, MASK, 7),
        (0x80000000, MASK, 0x80000000, 0),
        (MASK - 6, 2, MASK - 2, MASK),
        (7, MASK - 1, MASK - 2, 1),
    ],
)
def test_division_never_traps(a: int, b: int, quotient: int, rest: int) -> None:
    """EX-106: by zero, the one overflow, and signs: it truncates, and the remainder has the dividend's sign."""
    assert int(arithmetic(int(Op.DIV), a, b)) & MASK == quotient
    assert int(arithmetic(int(Op.REM), a, b)) & MASK == rest


@given(WORDS, WORDS)
def test_unsigned_division(a: int, b: int) -> None:
    """EX-106: x / 0 is all ones and x % 0 is x."""
    assert int(arithmetic(int(Op.DIVU), a, b)) == (a // b if b else MASK)
    assert int(arithmetic(int(Op.REMU), a, b)) == (a % b if b else a)
