"""The readable machine: riscv-tests, traps, limits."""

import pytest
from tests import riscv_programs, rv32

from veritape.executor.image import Image
from veritape.executor.vm.execution import Limits
from veritape.executor.vm.machine import execute
from veritape.executor.vm.traps import Trap, TrapReason

PROGRAMS = list(riscv_programs.programs())


def test_every_case_of_the_vectors_becomes_part_of_a_program() -> None:
    """EX-207: 1,023 cases in 43 files."""
    assert sum(count for _, count, _ in PROGRAMS) == 1023


@pytest.mark.parametrize(("name", "program"), [(name, program) for name, _, program in PROGRAMS])
def test_the_riscv_tests_pass(name: str, program: Image) -> None:
    """EX-207, EX-802: every case passes; an exit code would name the failed test."""
    assert execute(program, b"").exit_code == 0, name


def test_the_worked_example_halts() -> None:
    """EX-104, EX-287: li a0, 7; li a7, 0; ecall: exit code 7 after 3 cycles, the halting call counted."""
    done = execute(rv32.image([0x00700513, 0x00000893, rv32.ECALL]), b"")
    assert (done.exit_code, done.cycles, done.trap, done.journal) == (7, 3, None, b"")
    assert done.detail.cycles_by_class == (2, 0, 0, 0, 0, 0, 0, 0, 1)


def test_the_state_at_entry_is_fixed() -> None:
    """EX-103: sp is the end of RAM, all other registers are 0."""
    done = execute(rv32.image([rv32.ECALL]), b"")
    assert done.registers[2] == rv32.RAM + 16_777_216
    assert sum(done.registers) == done.registers[2]


def test_the_cycle_limit_is_tested_before_the_fetch() -> None:
    """EX-109: a loop ends at the limit; a program of exactly that length halts."""
    loop = execute(rv32.image([rv32.jal(0, 0)]), b"", Limits(cycles=100))
    assert loop.trap == Trap(TrapReason.CYCLE_LIMIT, 0x10000, 0, 0, 100)
    assert execute(rv32.image([rv32.ECALL]), b"", Limits(cycles=1)).exit_code == 0


@pytest.mark.parametrize(
    ("words", "reason", "pc", "address"),
    [
        ([0xFFFFFFFF], TrapReason.ILLEGAL_INSTRUCTION, 0, 0),
        ([rv32.EBREAK], TrapReason.BREAKPOINT, 0, 0),
        ([rv32.NOP], TrapReason.FETCH_FAULT, 4, 0x10004),
        ([rv32.jal(1, 6)], TrapReason.MISALIGNED_FETCH, 0, 0x10006),
        ([rv32.branch("beq", 0, 0, 2)], TrapReason.MISALIGNED_FETCH, 0, 0x10002),
        ([rv32.jalr(1, 0, 0)], TrapReason.FETCH_FAULT, None, 0),
        ([rv32.load("lw", 0, 2, -2)], TrapReason.MISALIGNED_ACCESS, 0, 0x1FFFFFE),
        ([rv32.load("lh", 0, 0, 1)], TrapReason.MISALIGNED_ACCESS, 0, 1),
        ([rv32.load("lw", 0, 0, 0)], TrapReason.LOAD_FAULT, 0, 0),
        ([rv32.load("lw", 0, 2, 0)], TrapReason.LOAD_FAULT, 0, 0x2000000),
        ([rv32.store("sw", 0, 2, 0)], TrapReason.STORE_FAULT, 0, 0x2000000),
        ([rv32.auipc(5, 0), rv32.store("sb", 0, 5, 0)], TrapReason.STORE_TO_READONLY, 4, 0x10000),
        ([*rv32.li(17, 6), rv32.ECALL], TrapReason.UNKNOWN_ECALL, 8, 0),
    ],
)
def test_each_trap_stops_the_machine(
    words: list[int], reason: TrapReason, pc: int | None, address: int
) -> None:
    """EX-108, EX-803: reason, pc, word and faulting address say where and why; the trapping instruction is not counted."""
    done = execute(rv32.image(words), b"")
    assert done.exit_code is None
    assert done.trap is not None
    assert (done.trap.reason, done.trap.address) == (reason, address)
    assert pc is None or done.trap.pc == 0x10000 + pc
    assert done.trap.cycles == done.cycles


def test_a_jump_that_traps_writes_no_register() -> None:
    """EX-108: the jump to a misaligned target traps itself and leaves rd alone."""
    assert execute(rv32.image([rv32.jal(1, 6)]), b"").registers[1] == 0
