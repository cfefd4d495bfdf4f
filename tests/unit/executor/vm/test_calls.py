"""Every call: good, bad, at its limit."""

import hashlib
import struct

import pytest
from tests import rv32

from veritape.executor.vm.execution import Execution, Limits
from veritape.executor.vm.machine import execute
from veritape.executor.vm.traps import TrapReason
from veritape.stark.hashing import permute

START = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)


def run(words: list[int], data: bytes = b"", stdin: bytes = b"", limits: Limits | None = None) -> Execution:
    return execute(rv32.image([*words, *rv32.halt()], data), stdin, limits or Limits())


def trap_of(words: list[int], data: bytes = b"", limits: Limits | None = None) -> TrapReason | None:
    done = run(words, data, b"", limits)
    return done.trap.reason if done.trap else None


def test_input_is_read_front_to_back_and_padded_with_zeros() -> None:
    """EX-172, EX-175, EX-805: read copies what remains, zero-pads the last word, returns the bytes, then 0 (EX-173)."""
    words = [*rv32.call(1, rv32.RAM, 4), *rv32.call(1, rv32.RAM + 4, 8), rv32.i("addi", 20, 10, 0)]
    done = run(
        [*words, *rv32.call(1, rv32.RAM, 8), rv32.i("addi", 21, 10, 0), *rv32.call(2, rv32.RAM, 12)],
        b"\xff" * 12,
        b"abcdefg",
    )
    assert done.journal == b"abcdefg\0\xff\xff\xff\xff"
    assert (done.registers[20], done.registers[21], done.detail.input_words_read) == (3, 0, 2)


def test_the_journal_has_a_limit() -> None:
    """EX-172, EX-805: a commit up to the limit passes, one word more is journal_limit."""
    commit = rv32.call(2, rv32.RAM, 8)
    assert trap_of(commit, b"", Limits(journal_bytes=8)) is None
    assert (
        trap_of([*commit, *rv32.call(2, rv32.RAM, 4)], b"", Limits(journal_bytes=8))
        is TrapReason.JOURNAL_LIMIT
    )


def test_poseidon2_permutes_in_place() -> None:
    """EX-172: 16 canonical words are permuted; a word that is none traps."""
    state = list(range(16))
    done = run([*rv32.call(3, rv32.RAM), *rv32.call(2, rv32.RAM, 64)], struct.pack("<16I", *state))
    assert list(struct.unpack("<16I", done.journal)) == permute(state)
    assert done.detail.poseidon2_permutations == 1
    bad = struct.pack("<16I", *state[:15], 2130706433)
    assert trap_of(rv32.call(3, rv32.RAM), bad) is TrapReason.NONCANONICAL_FIELD_ELEMENT


def test_sha256_compresses_blocks() -> None:
    """EX-172: two blocks with padding give the standard digest of 'abc' repeated."""
    message = b"abc" * 30
    padded = message + b"\x80" + b"\0" * (119 - len(message)) + struct.pack(">Q", len(message) * 8)
    data = struct.pack("<8I", *START) + padded
    done = run([*rv32.call(4, rv32.RAM, rv32.RAM + 32, 2), *rv32.call(2, rv32.RAM, 32)], data)
    assert struct.pack(">8I", *struct.unpack("<8I", done.journal)) == hashlib.sha256(message).digest()
    assert done.detail.sha256_blocks == 2


@pytest.mark.parametrize(
    "words",
    [
        rv32.call(1, rv32.RAM + 1, 4), rv32.call(1, rv32.RAM, 3), rv32.call(1, rv32.RAM, 1_048_580), rv32.call(1, 0, 4),
        rv32.call(1, 0x10000, 4), rv32.call(1, 1 << 28, 0), rv32.call(2, rv32.RAM, 65_540), rv32.call(2, 0, 4),
        rv32.call(3, 0x10000), rv32.call(3, rv32.RAM + 16_777_216 - 60), rv32.call(4, rv32.RAM, rv32.RAM, 4_097),
        rv32.call(4, rv32.RAM, 0, 1), rv32.call(4, 0x10000, rv32.RAM, 1), rv32.call(4, rv32.RAM + 2, rv32.RAM, 0),
    ],
)  # fmt: skip
def test_bad_arguments_trap(words: list[int]) -> None:
    """EX-171: misaligned, unmapped, read-only or too long is bad_ecall_argument."""
    assert trap_of(words) is TrapReason.BAD_ECALL_ARGUMENT


def test_empty_ranges_name_no_word() -> None:
    """EX-171: length 0 and count 0 need an aligned pointer and nothing mapped."""
    assert run([*rv32.call(1, 0, 0), *rv32.call(2, 0, 0), *rv32.call(4, 0, 4, 0)]).exit_code == 0


def test_what_overlaps_has_one_meaning() -> None:
    """EX-171: a SHA-256 state inside its block is read before it is written."""
    data = struct.pack("<16I", *START, *range(8))
    inside = run([*rv32.call(4, rv32.RAM, rv32.RAM, 1), *rv32.call(2, rv32.RAM, 32)], data).journal
    apart = struct.pack("<8I", *START) + data
    assert (
        inside == run([*rv32.call(4, rv32.RAM, rv32.RAM + 32, 1), *rv32.call(2, rv32.RAM, 32)], apart).journal
    )


def test_the_journal_is_the_only_output() -> None:
    """EX-174: registers, memory and debug text are part of no claim: programs that differ in them alone commit the same."""
    one = run([*rv32.call(2, rv32.RAM, 4), *rv32.li(20, 1)], b"same")
    two = run([*rv32.call(2, rv32.RAM, 4), *rv32.li(20, 2)], b"same")
    assert one.journal == two.journal == b"same"
    assert one.registers != two.registers


def test_equal_arguments_give_equal_executions() -> None:
    """EX-102: no clock, randomness or environment: twice the same, the limits that do not bind included."""
    words = [*rv32.call(1, rv32.RAM, 8), *rv32.call(3, rv32.RAM), *rv32.call(2, rv32.RAM, 64)]
    first, second = run(words, bytes(64), b"input"), run(words, bytes(64), b"input", Limits(cycles=10_000))
    assert first == second
