"""Instructions against Python's integers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import rv32

from veritape.executor.vm.decoding import Operation
from veritape.executor.vm.instructions import STEPS
from veritape.executor.vm.machine import execute

word = st.one_of(st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]), st.integers(0, 0xFFFFFFFF))


def signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def result(name: str, a: int, b: int) -> int:
    program = [*rv32.li(5, a), *rv32.li(6, b), rv32.r(name, 7, 5, 6), *rv32.halt()]
    return execute(rv32.image(program), b"").registers[7]


def test_every_operation_has_a_step() -> None:
    """EX-105: the table holds all 48 instructions; ECALL has a module of its own."""
    assert set(STEPS) | {Operation.ECALL} == set(Operation)


@given(word, word)
def test_arithmetic_is_that_of_integers(a: int, b: int) -> None:
    """EX-106, EX-801: products, quotients and remainders equal Python's integers, division truncating towards zero."""
    assert result("mulhu", a, b) == a * b >> 32
    assert result("mulh", a, b) == signed(a) * signed(b) >> 32 & 0xFFFFFFFF
    assert result("mulhsu", a, b) == signed(a) * b >> 32 & 0xFFFFFFFF
    quotient, rest = result("div", a, b), result("rem", a, b)
    if b:
        assert signed(a) % (1 << 32) == (quotient * b + rest) % (1 << 32)
        assert abs(signed(rest)) < abs(signed(b))
        assert signed(rest) == 0 or (signed(rest) < 0) == (signed(a) < 0)


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("div", 7, 0, 0xFFFFFFFF), ("divu", 7, 0, 0xFFFFFFFF), ("rem", 7, 0, 7), ("remu", 7, 0, 7),
        ("div", 0x80000000, 0xFFFFFFFF, 0x80000000), ("rem", 0x80000000, 0xFFFFFFFF, 0), ("rem", 0xFFFFFFF9, 2, 0xFFFFFFFF),
    ],
)  # fmt: skip
def test_division_never_traps(name: str, a: int, b: int, expected: int) -> None:
    """EX-106: by zero, and the quotient that does not fit."""
    assert result(name, a, b) == expected


def test_writes_to_x0_are_discarded_after_all_checks() -> None:
    """EX-107: x0 stays 0; a load to x0 from a bad address still traps."""
    assert execute(rv32.image([rv32.i("addi", 0, 0, 5), *rv32.halt()]), b"").registers[0] == 0
    assert execute(rv32.image([rv32.load("lw", 0, 0, 0)]), b"").trap is not None
