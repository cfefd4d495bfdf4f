"""Words and what they decode to."""

from hypothesis import given
from hypothesis import strategies as st
from tests import rv32

from veritape.executor.vm.decoding import Instruction, Operation, decode


def test_each_format_decodes() -> None:
    """EX-105: operands and signed immediates of each instruction format."""
    assert decode(rv32.lui(3, 0x80000)) == Instruction(Operation.LUI, 3, 0, 0, -(1 << 31))
    assert decode(rv32.jal(1, -1048576)) == Instruction(Operation.JAL, 1, 0, 0, -1048576)
    branch, store = decode(rv32.branch("bgeu", 4, 5, -4096)), decode(rv32.store("sh", 6, 7, -2048))
    assert branch is not None
    assert store is not None
    assert (branch[0], branch.rs1, branch.rs2, branch.immediate) == (Operation.BGEU, 4, 5, -4096)
    assert (store[0], store.rs1, store.rs2, store.immediate) == (Operation.SH, 7, 6, -2048)
    shift = decode(rv32.i("srai", 1, 2, 31))
    assert shift is not None
    assert (shift.operation, shift.immediate) == (Operation.SRAI, 31)


def test_what_the_machine_lacks_does_not_decode() -> None:
    """EX-105: compressed code, CSRs, FENCE.I, WFI, atomics, floats and reserved shifts are illegal."""
    illegal = [
        0,
        0x0001,
        0x30200073,
        0x10500073,
        0x0000100F,
        0x30001073,
        0x0000202F,
        0x00000053,
        0x02001013,
        0x40001013,
    ]
    assert [
        decode(word) for word in [*illegal, 0x0000A067, 0x00003003, 0x00003023, 0x00002063, 0x04000033]
    ] == [None] * 15


@given(st.integers(0, 0xFFFFFFFF))
def test_no_word_breaks_the_decoder(word: int) -> None:
    """EX-105: any word decodes or does not."""
    found = decode(word)
    assert found is None or (0 <= found.rd < 32 and word & 3 == 3)
