"""The compiled machine agrees with the readable one."""

import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import riscv_programs, rv32
from tests.compiled import READABLE, SIMULATOR

from veritape.executor.backend import Simulator
from veritape.executor.image import Image
from veritape.executor.vm.compiled import layout
from veritape.executor.vm.compiled.machine import BATCH_ITEMS, Batch, Prepared, execute_batch
from veritape.executor.vm.decoding import Operation
from veritape.executor.vm.execution import Limits, Stop, StoppedError
from veritape.executor.vm.traps import TrapReason

SIZE = 10_000 if os.environ.get("VERITAPE_SOAK") == "1" else 400  # noqa: TID251 - chooses the size of this test
"""Random programs on both machines."""

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
    expected = READABLE.machine(program, data, limits)
    assert SIMULATOR.machine(program, data, limits) == expected
    assert list(execute_batch(program, [data, b"", data], limits))[::2] == [expected, expected]


@settings(max_examples=SIZE, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(EDGES), st.integers(0, 0xFFFFFFFF)), min_size=15, max_size=15),
    st.lists(words, min_size=1, max_size=30),
    st.booleans(),
)
def test_both_machines_agree_on_random_programs(
    values: list[int], program: list[int], read_only: bool
) -> None:
    """EX-201: registers, journal, trap, cycles and detail are equal, whatever the words, alone and in a batch."""
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


def test_the_kernel_runs_a_decoded_program_over_words_of_32_bits() -> None:
    """EX-202: one row (operation, rd, rs1, rs2, immediate) a word of code; the RAM is an array of 32-bit words."""
    words = [rv32.i("addi", 5, 6, -7), rv32.store("sw", 5, 2, -4), 0xFFFFFFFF, *rv32.halt()]
    made = Prepared(rv32.image(words, b"\1\2\3\4", 65_536))
    assert made.operations[:3].tolist() == [
        [Operation.ADDI, 5, 6, 25],
        [Operation.SW, 28, 2, 5],
        [layout.ILLEGAL, 0, 0, 0],
    ]
    assert made.immediates[:2].tolist() == [-7, -4]
    assert str(made.words.dtype) == "uint32"
    assert made.words[rv32.RAM // 4] == 0x04030201


WRITER = rv32.image(
    [
        *rv32.call(1, rv32.RAM + 4, 4),
        *rv32.li(6, rv32.RAM),
        rv32.load("lw", 7, 6, 0),
        rv32.load("lw", 8, 6, 4),
        rv32.r("add", 7, 7, 8),
        rv32.store("sw", 7, 6, 0),
        rv32.store("sw", 7, 2, -4),
        *rv32.call(2, rv32.RAM, 8),
        *rv32.halt(),
    ],
    struct.pack("<II", 100, 0),
    65_536,
)
"""Adds its input to a word of its data and leaves a mark on the stack: what one execution wrote would show in the next."""


def test_a_batch_undoes_what_an_execution_wrote() -> None:
    """EX-203: inputs in one call give what each gives alone; the memory is never cleared as a whole."""
    inputs = [struct.pack("<I", number) for number in range(BATCH_ITEMS + 5)]
    done = list(execute_batch(WRITER, inputs))
    assert [struct.unpack("<I", one.journal[:4])[0] for one in done] == [
        100 + n for n in range(BATCH_ITEMS + 5)
    ]
    assert done[7] == READABLE.machine(WRITER, inputs[7])
    prepared = Prepared(WRITER)
    batch = Batch(prepared, inputs[:10], Limits())
    assert batch.run() == 10
    assert (prepared.words == prepared.initial).all()
    assert not prepared.touched.any()


def test_a_program_stays_laid_out_for_its_next_batch() -> None:
    """EX-203: batch after batch of one program and of others, broken off or side by side, gives what each input gives alone."""
    inputs = [struct.pack("<I", number) for number in range(20)]
    expected = [READABLE.machine(WRITER, data) for data in inputs]
    other = rv32.image([*rv32.call(1, rv32.RAM, 4), *rv32.call(2, rv32.RAM, 4), *rv32.halt()], b"", 65_536)
    unlike = [READABLE.machine(other, data) for data in inputs]
    for _ in range(2):
        assert list(execute_batch(WRITER, inputs)) == expected
        broken_off = execute_batch(WRITER, inputs)
        assert next(broken_off) == expected[0]
        assert list(execute_batch(WRITER, inputs)) == expected
        del broken_off
        assert list(execute_batch(other, inputs)) == unlike
    pair = zip(execute_batch(WRITER, inputs), execute_batch(WRITER, inputs), strict=True)
    assert list(pair) == list(zip(expected, expected, strict=True))


def test_journals_that_fill_the_buffer_are_kept() -> None:
    """EX-203: a batch whose journals are longer than the kernel's buffer returns to Python and goes on."""
    program = rv32.image(
        [*rv32.call(1, rv32.RAM, 4), *rv32.call(2, rv32.RAM, 65_536), *rv32.halt()], b"", 131_072
    )
    inputs = [struct.pack("<I", number) for number in range(40)]
    journals = [one.journal for one in execute_batch(program, inputs)]
    assert journals == [data + bytes(65_532) for data in inputs]


@pytest.mark.parametrize("simulator", [SIMULATOR, READABLE], ids=["compiled", "readable"])
def test_work_is_limited(simulator: Simulator) -> None:
    """EX-205: an instruction is one unit, a SHA-256 block 64, a permutation 256; the default is four times the cycles."""
    words = [*rv32.call(4, rv32.RAM, rv32.RAM, 3), *rv32.call(3, rv32.RAM + 256), *rv32.halt()]
    program = rv32.image(words, bytes(64), 65_536)
    spent = len(words) + 3 * 64 + 256
    assert simulator.machine(program, b"", Limits(work=spent)).exit_code == 0
    stopped = simulator.machine(program, b"", Limits(work=spent - 256)).trap
    assert stopped is not None
    assert stopped.reason is TrapReason.WORK_LIMIT
    assert stopped.cycles < len(words)
    assert Limits(cycles=100).max_work == 400


@pytest.mark.parametrize("work", range(0, 700, 37))
def test_both_machines_stop_at_the_same_instruction(work: int) -> None:
    """EX-205: a work limit anywhere gives equal executions on both, alone and in a batch."""
    body = [*rv32.call(4, rv32.RAM, rv32.RAM, 1), *rv32.call(3, rv32.RAM + 256)]
    same(
        rv32.image([*body, *body, *rv32.halt()], bytes(64), 65_536), b"", Limits(work=work, journal_bytes=64)
    )


def answering(*answers: bool) -> Stop:
    """Return a stop token that gives these answers."""
    left = iter(answers)
    return lambda: next(left)


def test_a_stop_token_ends_an_execution() -> None:
    """EX-354: the token is looked at between bounded amounts of work; a batch says how many were done."""
    endless = rv32.image([rv32.jal(0, 0)], b"", 65_536)
    for simulator in (SIMULATOR, READABLE):
        with pytest.raises(StoppedError):
            simulator.machine(endless, b"", Limits(), None, answering(False, False, True))
    done = execute_batch(
        rv32.image(rv32.halt(), b"", 65_536), [b""] * (BATCH_ITEMS + 1), Limits(), answering(False, True)
    )
    with pytest.raises(StoppedError):
        list(done)
    prepared = Prepared(endless)
    assert Batch(prepared, [b"", b""], Limits()).run(answering(False, True)) == 0
    assert not prepared.touched.any()
