"""Random programs agree with qemu-riscv32, an independent machine."""

import os
import random
import signal
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests import rv32
from tests.compiled import READABLE, SIMULATOR
from tests.waiting import PATIENCE_S

from veritape.executor.image import CODE_START, Image
from veritape.executor.vm.decoding import Operation, decode
from veritape.executor.vm.execution import Limits
from veritape.executor.vm.traps import TrapReason

QEMU = (
    "qemu-riscv32", "-cpu", "rv32,g=off,i=on,m=on,a=off,f=off,d=off,c=off,Zifencei=off,Zicsr=off",
)  # fmt: skip
"""A machine with RV32IM and nothing else: what ours refuses, it answers with SIGILL (EX-206)."""

SOAK = os.environ.get("VERITAPE_SOAK") == "1"  # noqa: TID251 - chooses the size of this test
PROGRAMS = 20_000 if SOAK else 5_000
"""Random programs that end, in chains of ``CHAIN``."""

TRAPPING = 2_000 if SOAK else 150
"""Random programs that trap, a process each."""

CHAIN = 100
"""Programs of one process, one after the other; memory goes on from each to the next."""

WINDOW = 4096
"""Bytes of data that are compared after every program."""

BASE, COUNTER = 31, 30
"""Registers that a body only reads: the middle of the window, and the counter of its loop."""

EDGES = (0, 1, 2, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x80000001, 0xFFFF, 31, 32)
SIGNALS = {
    TrapReason.ILLEGAL_INSTRUCTION: signal.SIGILL,
    TrapReason.BREAKPOINT: signal.SIGTRAP,
    TrapReason.LOAD_FAULT: signal.SIGSEGV,
    TrapReason.STORE_FAULT: signal.SIGSEGV,
    TrapReason.STORE_TO_READONLY: signal.SIGSEGV,
    TrapReason.FETCH_FAULT: signal.SIGSEGV,
}
"""What Linux makes of our traps."""

JUMPS = {
    Operation.JAL,
    Operation.JALR,
    *(Operation(number) for number in range(Operation.BEQ, Operation.BGEU + 1)),
}
SIZES = {"lb": 1, "lbu": 1, "sb": 1, "lh": 2, "lhu": 2, "sh": 2, "lw": 4, "sw": 4}


def prologue(rng: random.Random) -> list[int]:
    """Set every register: edges, random values, and values near the one before."""
    words, last = [], 0
    for register in range(1, BASE):
        near = (last + rng.choice((-1, 0, 1))) & 0xFFFFFFFF
        last = rng.choice((rng.choice(EDGES), near, rng.getrandbits(32)))
        words += rv32.li(register, last)
    return words + rv32.li(BASE, rv32.RAM + WINDOW // 2)


def memory_access(rng: random.Random, names: Sequence[str]) -> tuple[str, int]:
    name = rng.choice(names)
    return name, rng.randrange(-2048, 2048, SIZES[name])


def plain(rng: random.Random) -> int:
    """Return one random instruction that does not jump."""
    rd, a, b = rng.randrange(COUNTER), rng.randrange(32), rng.randrange(32)
    kind = rng.randrange(20)
    if kind < 10:
        return rv32.r(rng.choice(sorted(rv32.REGISTER)), rd, a, b)
    if kind < 14:
        name = rng.choice(sorted(rv32.IMMEDIATE) + sorted(rv32.SHIFT))
        return rv32.i(name, rd, a, rng.choice((rng.randrange(-2048, 2048), 0, -1, 1, 31)))
    if kind < 16:
        name, offset = memory_access(rng, sorted(rv32.LOAD))
        return rv32.load(name, rd, BASE, offset)
    if kind < 18:
        name, offset = memory_access(rng, sorted(rv32.STORE))
        return rv32.store(name, b, BASE, offset)
    upper = rng.getrandbits(20)
    return rng.choice((rv32.lui(rd, upper), rv32.auipc(rd, upper), rv32.FENCE))


def jump(rng: random.Random, ahead: int) -> list[int]:
    """Return a branch or jump to ``ahead`` bytes behind its last word; the lowest bit of an indirect target is ignored."""
    rd, a, b = rng.randrange(COUNTER), rng.randrange(32), rng.randrange(32)
    through = rd or 1
    return rng.choice(
        (
            [rv32.branch(rng.choice(sorted(rv32.BRANCH)), a, rng.choice((a, b)), ahead)],
            [rv32.jal(rd, ahead)],
            [rv32.auipc(through, 0), rv32.jalr(rd, through, 5 + ahead)],
        )
    )


def body(rng: random.Random) -> list[int]:
    """Return random instructions, now and then in a loop; jumps go forwards, so the end is reached."""
    words: list[int] = []
    landings: set[int] = set()
    size = rng.randint(8, 40)
    while len(words) < size:
        made = jump(rng, ahead := 4 * rng.randint(1, 6)) if rng.random() < 0.15 else [plain(rng)]
        if len(made) > 1 and len(words) + 1 in landings:
            continue  # a jump into the middle of the pair would go anywhere
        words += made
        if decode(made[-1]).operation in JUMPS:  # type: ignore[union-attr]  # our own words decode
            landings.add(len(words) - 1 + ahead // 4)
    words += [rv32.NOP] * 6
    if rng.random() < 0.2:
        back = [rv32.i("addi", COUNTER, COUNTER, -1), rv32.branch("bne", COUNTER, 0, -4 * (len(words) + 1))]
        return [rv32.i("addi", COUNTER, 0, rng.randint(2, 5)), *words, *back]
    return words


def dump(*, linux: bool) -> list[int]:
    """Store the registers behind the window, then write window and registers: a Linux call, or ours."""
    half = WINDOW // 2
    words = [rv32.i("addi", BASE, BASE, half - 1), rv32.i("addi", BASE, BASE, 1)]
    words += [rv32.store("sw", register, BASE, 4 * register) for register in range(32)]
    size = WINDOW + 128
    return words + (
        [*rv32.li(17, 64), *rv32.li(10, 1), *rv32.li(11, rv32.RAM), *rv32.li(12, size), rv32.ECALL]
        if linux
        else [*rv32.li(17, 2), *rv32.li(10, rv32.RAM), *rv32.li(11, size), rv32.NOP, rv32.NOP, rv32.ECALL]
    )


def end(*, linux: bool) -> list[int]:
    return [*rv32.li(17, 93 if linux else 0), *rv32.li(10, 0), rv32.ECALL]


def elf(words: Sequence[int], data: bytes) -> bytes:
    """Return a Linux executable with the segments at our addresses: offsets agree with addresses modulo the page."""
    code = struct.pack(f"<{len(words)}I", *words)
    start = 0x1000
    after = start + len(code) + -len(code) % 0x1000
    head = struct.pack(
        "<16sHHIIIIIHHHHHH",
        b"\x7fELF\1\1\1".ljust(16, b"\0"),
        2,
        243,
        1,
        CODE_START,
        52,
        0,
        0,
        52,
        32,
        2,
        0,
        0,
        0,
    )
    table = struct.pack("<8I", 1, start, CODE_START, CODE_START, len(code), len(code), 5, 0x1000)
    table += struct.pack("<8I", 1, after, rv32.RAM, rv32.RAM, len(data), len(data), 6, 0x1000)
    return (head + table).ljust(start, b"\0") + code.ljust(after - start, b"\0") + data


def qemu(path: Path, words: Sequence[int], data: bytes) -> subprocess.CompletedProcess[bytes]:
    path.write_bytes(elf(words, data))
    path.chmod(0o755)
    return subprocess.run([*QEMU, str(path)], capture_output=True, check=False, timeout=PATIENCE_S)


def ours(words: Sequence[int], data: bytes) -> Image:
    return rv32.image(words, data, 65_536)


def chains() -> Iterator[tuple[list[list[int]], bytes]]:
    for seed in range(PROGRAMS // CHAIN):
        rng = random.Random(seed)
        yield [prologue(rng) + body(rng) for _ in range(CHAIN)], rng.randbytes(WINDOW + 128)


def test_random_programs_agree_with_qemu(tmp_path: Path) -> None:
    """EX-206: the 31 registers and a window of 4 KiB after each of thousands of random programs, on both our machines."""
    seen = set()
    for number, (programs, data) in enumerate(chains()):
        linux = [word for one in programs for word in one + dump(linux=True)] + end(linux=True)
        theirs = qemu(tmp_path / f"{number}.elf", linux, data)
        assert theirs.returncode == 0, number
        own = ours([word for one in programs for word in one + dump(linux=False)] + end(linux=False), data)
        done = SIMULATOR.machine(own, b"", Limits(journal_bytes=1_048_576))
        assert len(done.journal) == CHAIN * (WINDOW + 128)
        assert done.journal == theirs.stdout, number
        if number % 5 == 0:
            assert READABLE.machine(own, b"", Limits(journal_bytes=1_048_576)) == done
        seen |= {found.operation for one in programs for word in one if (found := decode(word))}
    assert seen == set(Operation) - {Operation.ECALL, Operation.EBREAK}


def trapping(rng: random.Random) -> tuple[list[int], TrapReason]:
    """Return words that trap, and how; map edges finer than a page are not asked for."""
    address = rng.choice((0, 0x2000, 0x3000_0000, 0x0900_0000))
    words = rv32.li(5, address)
    choices = (
        ([undecodable(rng)], TrapReason.ILLEGAL_INSTRUCTION),
        ([rv32.EBREAK], TrapReason.BREAKPOINT),
        ([*words, rv32.load(rng.choice(sorted(rv32.LOAD)), rng.randrange(32), 5, 0)], TrapReason.LOAD_FAULT),
        ([*words, rv32.store(rng.choice(sorted(rv32.STORE)), 6, 5, 0)], TrapReason.STORE_FAULT),
        ([rv32.auipc(5, 0), rv32.store("sb", 6, 5, 0)], TrapReason.STORE_TO_READONLY),
        ([*words, rv32.jalr(1, 5, 0)], TrapReason.FETCH_FAULT),
    )
    return choices[0] if rng.random() < 0.5 else rng.choice(choices)


def undecodable(rng: random.Random) -> int:
    """Return a word that decodes to nothing: half of them have the low bits of 32-bit instructions."""
    while True:
        word = rng.getrandbits(32) | rng.choice((0, 3))
        if decode(word) is None:
            return word


def test_what_traps_here_is_a_signal_there(tmp_path: Path) -> None:
    """EX-206: after a random body, a word that does not decode, EBREAK or a bad access: the signal says the same."""
    for seed in range(TRAPPING):
        rng = random.Random(seed)
        tail, reason = trapping(rng)
        words = [*prologue(rng), *body(rng), *tail, *end(linux=True)]
        data = bytes(WINDOW + 128)
        for simulator in (SIMULATOR, READABLE):
            trap = simulator.machine(ours(words, data), b"").trap
            assert trap is not None
            assert trap.reason is reason, (seed, [hex(word) for word in tail])
        done = qemu(tmp_path / "trap.elf", words, data)
        assert done.returncode in {-SIGNALS[reason], 128 + SIGNALS[reason]}, (
            seed,
            [hex(word) for word in tail],
        )


def test_a_wrong_machine_would_be_noticed(tmp_path: Path) -> None:
    """EX-206: the comparison bites: one changed instruction changes what the other machine writes."""
    programs, data = next(chains())
    linux = [word for one in programs for word in one + dump(linux=True)] + end(linux=True)
    changed = [*programs[0], rv32.i("addi", 3, 3, 1)]
    own = ours([*changed, *dump(linux=False), *end(linux=False)], data)
    theirs = qemu(tmp_path / "one.elf", linux, data)
    assert SIMULATOR.machine(own, b"").journal != theirs.stdout[: WINDOW + 128]


@pytest.mark.parametrize("name", ["div", "rem"])
def test_division_at_its_edges(name: str, tmp_path: Path) -> None:
    """EX-106: division by zero and the overflow of -2^31 / -1 are what qemu says."""
    words = []
    for place, (a, b) in enumerate([(7, 0), (0x80000000, 0xFFFFFFFF), (0xFFFFFFF9, 2), (7, 0xFFFFFFFE)]):
        words += [
            *rv32.li(1, a),
            *rv32.li(2, b),
            rv32.r(name, 5 + place, 1, 2),
            rv32.r(name + "u", 10 + place, 1, 2),
        ]
    words += rv32.li(BASE, rv32.RAM + WINDOW // 2)
    data = bytes(WINDOW + 128)
    theirs = qemu(tmp_path / "division.elf", [*words, *dump(linux=True), *end(linux=True)], data)
    done = SIMULATOR.machine(ours([*words, *dump(linux=False), *end(linux=False)], data), b"")
    assert done.journal == theirs.stdout
