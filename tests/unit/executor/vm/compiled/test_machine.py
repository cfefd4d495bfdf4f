"""The compiled machine agrees with the readable one."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import riscv_programs, rv32
from tests.compiled import READABLE, SIMULATOR

from veritape.executor.image import Image
from veritape.executor.vm.execution import Limits

LIMITS = Limits(cycles=300, journal_bytes=64)
EDGES = (
    0,
    1,
    2,
    0x7FFFFFFF,
    0x80000000,
    0x80000001,
    0xFFFFFFFF,
    0xFFFFFFFE,
    rv32.RAM,
    rv32.RAM + 60,
    0x10000,
)

registers = st.integers(0, 15)
offsets = st.integers(-16, 64)
words = st.one_of(
    st.builds(rv32.r, st.sampled_from(sorted(rv32.REGISTER)), registers, registers, registers),
    st.builds(
        rv32.i, st.sampled_from(sorted(rv32.IMMEDIATE) + sorted(rv32.SHIFT)), registers, registers, offsets
    ),
    st.builds(rv32.load, st.sampled_from(sorted(rv32.LOAD)), registers, registers, offsets),
    st.builds(rv32.store, st.sampled_from(sorted(rv32.STORE)), registers, registers, offsets),
    st.builds(
        rv32.branch,
        st.sampled_from(sorted(rv32.BRANCH)),
        registers,
        registers,
        st.integers(-10, 10).map(lambda x: 4 * x),
    ),
    st.builds(rv32.jal, registers, st.integers(-12, 12).map(lambda x: 2 * x)),
    st.builds(rv32.jalr, registers, registers, offsets),
    st.builds(rv32.lui, registers, st.integers(0, 0xFFFFF)),
    st.builds(rv32.auipc, registers, st.integers(0, 3)),
    st.sampled_from([rv32.ECALL, rv32.EBREAK, rv32.FENCE, rv32.NOP]),
    st.integers(0, 0xFFFFFFFF),
)


def start(values: list[int]) -> list[int]:
    return [word for place, value in enumerate(values) for word in rv32.li(place + 1, value)]


def same(program: Image, data: bytes, limits: Limits = LIMITS) -> None:
    assert SIMULATOR.machine(program, data, limits) == READABLE.machine(program, data, limits)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(EDGES), st.integers(0, 0xFFFFFFFF)), min_size=15, max_size=15),
    st.lists(words, min_size=1, max_size=30),
    st.booleans(),
)
def test_both_machines_agree_on_random_programs(
    values: list[int], program: list[int], read_only: bool
) -> None:
    """EX-201: registers, journal, trap, cycles and detail are equal, whatever the words."""
    data = struct.pack("<16I", *range(16))
    same(rv32.image([*start(values), *program, *rv32.halt(3)], data, 65_536, read_only=read_only), b"")


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 6),
    st.sampled_from([0, 1, 4, 0x10000, rv32.RAM - 4, rv32.RAM, rv32.RAM + 32, rv32.RAM + 65_500, 1 << 28]),
    st.sampled_from([0, 1, 2, 3, 4, 8, 60, 68, 4_097, 65_536, 1_048_576, 1_048_580, rv32.RAM, rv32.RAM + 8]),
    st.sampled_from([0, 1, 2, 4_096, 4_097]),
    st.binary(max_size=40),
    st.lists(st.sampled_from([0, 1, 2130706432, 2130706433, 0xFFFFFFFF]), min_size=16, max_size=16),
)
def test_both_machines_agree_on_calls(
    number: int, first: int, second: int, third: int, data: bytes, memory: list[int]
) -> None:
    """EX-171: good and bad arguments, overlapping ranges and limits give the same on both."""
    body = rv32.call(number, first, second, third)
    program = rv32.image(
        [*body, *body, rv32.ECALL, *rv32.call(2, rv32.RAM, 64), *rv32.halt()],
        struct.pack("<16I", *memory),
        65_536,
    )
    same(program, data, Limits(cycles=200, journal_bytes=128))


@pytest.mark.parametrize("program", [program for _, _, program in riscv_programs.programs()])
def test_the_riscv_tests_pass_compiled(program: Image) -> None:
    """EX-207: the compiled machine passes every case and agrees in every figure."""
    done = SIMULATOR.machine(program, b"")
    assert done.exit_code == 0
    assert done == READABLE.machine(program, b"")


def test_debug_text_is_the_same_on_both() -> None:
    """EX-172: debug hands bytes on at any alignment, ignores a bad range, and has no effect without a sink."""
    program = rv32.image(
        [*rv32.call(5, rv32.RAM + 1, 5), *rv32.call(5, 0, 4), *rv32.call(5, rv32.RAM, 5_000), *rv32.halt()],
        b"?hello??",
    )
    for simulator in (SIMULATOR, READABLE):
        said: list[bytes] = []
        done = simulator.machine(program, b"", LIMITS, said.append)
        assert (said, done.exit_code) == ([b"hello"], 0)
        assert simulator.machine(program, b"", LIMITS) == done


def test_a_long_loop_goes_on_after_the_kernel_returned_to_python() -> None:
    """EX-205: the kernel returns within bounded work, and the result does not show it."""
    words = [*rv32.li(5, 300_000), rv32.i("addi", 5, 5, -1), rv32.branch("bne", 5, 0, -4), *rv32.halt(9)]
    done = SIMULATOR.machine(rv32.image(words), b"")
    assert (done.exit_code, done.cycles) == (9, 2 + 600_000 + 5)
