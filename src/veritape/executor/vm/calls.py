"""ECALLs of the readable machine: number in a7, arguments in a0 to a2, result in a0 (EX-171 to 175).

A call checks all its arguments, then reads all its words, then writes; so a trap leaves nothing behind and overlapping ranges
have one meaning. ``debug`` alone checks nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from veritape.executor.image import WORD_BYTES, Permission
from veritape.executor.vm.execution import DebugSink
from veritape.executor.vm.instructions import Hart
from veritape.executor.vm.sha256 import compress
from veritape.executor.vm.traps import Trapped, TrapReason
from veritape.stark import hashing
from veritape.stark.field import P

HALT, READ, COMMIT, POSEIDON2, SHA256, DEBUG = range(6)
"""Call numbers (EX-172); 6 is reserved."""

A0, A1, A2, A7 = 10, 11, 12, 17
"""Registers of the calling convention."""

MAX_READ_BYTES = 1_048_576
"""Longest single read."""

MAX_COMMIT_BYTES = 65_536
"""Longest single commit."""

MAX_BLOCKS = 4_096
"""Most SHA-256 blocks of one call."""

MAX_DEBUG_BYTES = 4_096
"""Longest debug text."""

ADDRESS_END = 1 << 28
"""Pointers lie below it (ST-501)."""

STATE_WORDS, BLOCK_WORDS = 8, 16
"""Words of a SHA-256 state and of a block."""


@dataclass
class World:
    """What calls reach beyond the hart."""

    input_bytes: bytes
    """The private input."""
    journal_limit: int
    """Longest journal, bytes."""
    debug: DebugSink | None
    """Where debug text goes."""
    position: int = 0
    """Input bytes delivered."""
    journal: bytearray = field(default_factory=bytearray)
    """Public output so far."""
    exit_code: int | None = None
    """Set by halt."""
    permutations: int = 0
    """Poseidon2 calls."""
    blocks: int = 0
    """SHA-256 blocks."""
    input_words: int = 0
    """Words of input delivered."""


def call(hart: Hart, world: World) -> None:
    """Carry out the call that a7 names.

    Raises:
        Trapped: no such call, a bad argument, a word that is no field element, or the journal's limit.
    """
    effect = CALLS.get(hart.registers[A7])
    if effect is None:
        raise Trapped(TrapReason.UNKNOWN_ECALL)
    effect(hart, world)


def _range(hart: Hart, address: int, words: int, needed: Permission = Permission.READ) -> None:
    """Refuse a pointer that is misaligned or beyond the map, or a word that does not allow what the call needs."""
    if address % WORD_BYTES or address >= ADDRESS_END or not hart.memory.allows(address, words, needed):
        raise Trapped(TrapReason.BAD_ECALL_ARGUMENT, address)


def _length(length: int, limit: int) -> None:
    if length > limit or length % WORD_BYTES:
        raise Trapped(TrapReason.BAD_ECALL_ARGUMENT, length)


def _halt(hart: Hart, world: World) -> None:
    world.exit_code = hart.registers[A0]


def _read(hart: Hart, world: World) -> None:
    address, length = hart.registers[A0], hart.registers[A1]
    _length(length, MAX_READ_BYTES)
    _range(hart, address, length // WORD_BYTES, Permission.WRITE)
    chunk = world.input_bytes[world.position : world.position + length]
    words = [int.from_bytes(chunk[i : i + WORD_BYTES], "little") for i in range(0, len(chunk), WORD_BYTES)]
    hart.memory.write_words(address, words)
    world.position += len(chunk)
    world.input_words += len(words)
    hart.write(A0, len(chunk))


def _commit(hart: Hart, world: World) -> None:
    address, length = hart.registers[A0], hart.registers[A1]
    _length(length, MAX_COMMIT_BYTES)
    _range(hart, address, length // WORD_BYTES)
    if len(world.journal) + length > world.journal_limit:
        raise Trapped(TrapReason.JOURNAL_LIMIT, address)
    for word in hart.memory.read_words(address, length // WORD_BYTES):
        world.journal += word.to_bytes(WORD_BYTES, "little")


def _poseidon2(hart: Hart, world: World) -> None:
    address = hart.registers[A0]
    _range(hart, address, hashing.WIDTH, Permission.READ | Permission.WRITE)
    places = range(address, address + WORD_BYTES * hashing.WIDTH, WORD_BYTES)
    if any(hart.memory.words.get(place, 0) >= P for place in places):
        raise Trapped(TrapReason.NONCANONICAL_FIELD_ELEMENT, address)
    state = hart.memory.read_words(address, hashing.WIDTH)
    hart.memory.write_words(address, hashing.permute(state))
    world.permutations += 1


def _sha256(hart: Hart, world: World) -> None:
    address, blocks, count = (hart.registers[register] for register in (A0, A1, A2))
    if count > MAX_BLOCKS:
        raise Trapped(TrapReason.BAD_ECALL_ARGUMENT, count)
    _range(hart, address, STATE_WORDS if count else 0, Permission.READ | Permission.WRITE)
    _range(hart, blocks, BLOCK_WORDS * count)
    if count == 0:
        return
    state = hart.memory.read_words(address, STATE_WORDS)
    words = [
        int.from_bytes(word.to_bytes(WORD_BYTES, "little"), "big")
        for word in hart.memory.read_words(blocks, BLOCK_WORDS * count)
    ]
    for start in range(0, len(words), BLOCK_WORDS):
        state = compress(state, words[start : start + BLOCK_WORDS])
    hart.memory.write_words(address, state)
    world.blocks += count


def _debug(hart: Hart, world: World) -> None:
    address, length = hart.registers[A0], hart.registers[A1]
    if world.debug is None or length > MAX_DEBUG_BYTES:
        return
    places = range(address, address + length)
    if all(hart.memory.permissions(place) for place in places):
        words = {place - place % WORD_BYTES for place in places}
        held = {word: hart.memory.words.get(word, 0).to_bytes(WORD_BYTES, "little") for word in words}
        world.debug(bytes(held[p - p % WORD_BYTES][p % WORD_BYTES] for p in places))


CALLS: Final[Mapping[int, Callable[[Hart, World], None]]] = {
    HALT: _halt,
    READ: _read,
    COMMIT: _commit,
    POSEIDON2: _poseidon2,
    SHA256: _sha256,
    DEBUG: _debug,
}
"""Call number -> its effect."""
