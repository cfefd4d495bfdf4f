"""The guest's calls, compiled. ``vm.calls`` defines what is right.

The arrays are those of ``kernel.run``.
"""

from typing import Any

import numpy as np
from numba import njit

from veritape.executor.image import Permission
from veritape.executor.vm import calls
from veritape.executor.vm.compiled.layout import (
    ADDRESS,
    BLOCKS,
    DEBUGGING,
    EXIT_CODE,
    HALTED,
    INPUT_WORDS,
    JOURNAL,
    PERMUTATIONS,
    POSITION,
    RUNNING,
    STATUS_OF,
    TOUCHED,
)
from veritape.executor.vm.compiled.sha256 import compress, swapped
from veritape.executor.vm.execution import POSEIDON2_WORK, SHA256_WORK
from veritape.executor.vm.traps import TrapReason
from veritape.stark.compiled.hashing import permute
from veritape.stark.field import P

_T_UNKNOWN = STATUS_OF[TrapReason.UNKNOWN_ECALL]
_T_ARGUMENT = STATUS_OF[TrapReason.BAD_ECALL_ARGUMENT]
_T_FIELD = STATUS_OF[TrapReason.NONCANONICAL_FIELD_ELEMENT]
_T_JOURNAL = STATUS_OF[TrapReason.JOURNAL_LIMIT]
_BLOCK_WORK, _PERMUTATION_WORK = SHA256_WORK, POSEIDON2_WORK
_PRIME = P
_READABLE, _WRITABLE = int(Permission.READ), int(Permission.WRITE)
_BOTH = _READABLE | _WRITABLE
_ADDRESS_END = calls.ADDRESS_END
_MAX_READ, _MAX_COMMIT, _MAX_BLOCKS = calls.MAX_READ_BYTES, calls.MAX_COMMIT_BYTES, calls.MAX_BLOCKS


@njit(cache=True)
def touch(touched: Any, places: Any, state: Any, place: Any) -> None:
    """Note a word that an execution names, once, so that it can be undone."""
    if touched[place] == 0:
        touched[place] = 1
        places[state[TOUCHED]] = place
        state[TOUCHED] += 1


@njit(cache=True)
def accelerated(state: Any) -> Any:
    """Return the work that accelerated calls stand for."""
    return state[BLOCKS] * _BLOCK_WORK + state[PERMUTATIONS] * _PERMUTATION_WORK


@njit(cache=True)
def _allows(permissions: Any, address: Any, words: Any, needed: int) -> bool:
    if address % 4 != 0 or address >= _ADDRESS_END or (address >> 2) + words > permissions.size:
        return words == 0 and address % 4 == 0 and address < _ADDRESS_END
    for place in range(address >> 2, (address >> 2) + words):
        if permissions[place] & needed != needed:
            return False
    return True


@njit(cache=True)
def _read(
    registers: Any, state: Any, words: Any, permissions: Any, touched: Any, places: Any, data: Any
) -> int:
    address, length = registers[10], registers[11]
    state[ADDRESS] = length
    if length > _MAX_READ or length % 4 != 0:
        return _T_ARGUMENT
    state[ADDRESS] = address
    if not _allows(permissions, address, length >> 2, _WRITABLE):
        return _T_ARGUMENT
    count = min(length, data.size - state[POSITION])
    for offset in range(0, count, 4):
        word = np.int64(0)
        for byte in range(min(4, count - offset)):
            word |= np.int64(data[state[POSITION] + offset + byte]) << (8 * byte)
        place = (address + offset) >> 2
        words[place] = word
        touch(touched, places, state, place)
        state[INPUT_WORDS] += 1
    state[POSITION] += count
    registers[10] = count
    return RUNNING


@njit(cache=True)
def _commit(
    registers: Any, state: Any, words: Any, permissions: Any, touched: Any, places: Any, journal: Any
) -> int:
    address, length = registers[10], registers[11]
    state[ADDRESS] = length
    if length > _MAX_COMMIT or length % 4 != 0:
        return _T_ARGUMENT
    state[ADDRESS] = address
    if not _allows(permissions, address, length >> 2, _READABLE):
        return _T_ARGUMENT
    if state[JOURNAL] + length > journal.size:
        return _T_JOURNAL
    for place in range(address >> 2, (address + length) >> 2):
        touch(touched, places, state, place)
        for byte in range(4):
            journal[state[JOURNAL] + byte] = (words[place] >> (8 * byte)) & 0xFF
        state[JOURNAL] += 4
    return RUNNING


@njit(cache=True)
def _poseidon2(registers: Any, state: Any, words: Any, permissions: Any, touched: Any, places: Any) -> int:
    address = registers[10]
    state[ADDRESS] = address
    if not _allows(permissions, address, 16, _BOTH):
        return _T_ARGUMENT
    lanes = np.empty(16, dtype=np.uint64)
    place = address >> 2
    for lane in range(16):
        lanes[lane] = words[place + lane]
        if words[place + lane] >= _PRIME:
            return _T_FIELD
    permute(lanes)
    for lane in range(16):
        words[place + lane] = lanes[lane]
        touch(touched, places, state, place + lane)
    state[PERMUTATIONS] += 1
    return RUNNING


@njit(cache=True)
def _sha256(registers: Any, state: Any, words: Any, permissions: Any, touched: Any, places: Any) -> int:
    address, blocks, count = registers[10], registers[11], registers[12]
    state[ADDRESS] = count
    if count > _MAX_BLOCKS:
        return _T_ARGUMENT
    state[ADDRESS] = address
    if not _allows(permissions, address, 8 if count else 0, _BOTH):
        return _T_ARGUMENT
    state[ADDRESS] = blocks
    if not _allows(permissions, blocks, 16 * count, _READABLE):
        return _T_ARGUMENT
    if count == 0:
        return RUNNING
    h = np.empty(8, dtype=np.int64)
    w = np.empty(64, dtype=np.int64)
    for i in range(8):
        h[i] = words[(address >> 2) + i]
    place = blocks >> 2
    for _ in range(count):
        for i in range(16):
            w[i] = swapped(np.int64(words[place + i]))
            touch(touched, places, state, place + i)
        compress(h, w)
        place += 16
    for i in range(8):
        words[(address >> 2) + i] = h[i]
        touch(touched, places, state, (address >> 2) + i)
    state[BLOCKS] += count
    return RUNNING


@njit(cache=True)
def call(
    registers: Any,
    state: Any,
    words: Any,
    permissions: Any,
    touched: Any,
    places: Any,
    data: Any,
    journal: Any,
    debug: Any,
) -> int:
    """Carry out the call that a7 names; return whether the guest goes on, halts, debugs or traps."""
    number = registers[17]
    if number == 0:
        state[EXIT_CODE] = registers[10]
        return HALTED
    if number == 1:
        return _read(registers, state, words, permissions, touched, places, data)
    if number == 2:
        return _commit(registers, state, words, permissions, touched, places, journal)
    if number == 3:
        return _poseidon2(registers, state, words, permissions, touched, places)
    if number == 4:
        return _sha256(registers, state, words, permissions, touched, places)
    if number == 5:
        return DEBUGGING if debug else RUNNING
    state[ADDRESS] = 0
    return _T_UNKNOWN
