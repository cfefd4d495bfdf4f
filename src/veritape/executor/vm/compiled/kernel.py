"""The compiled step loop. ``vm.machine`` defines what is right; the two agree on every vector and on random programs.

One function holds all operations because Numba turns the chain of comparisons into one jump table; its readable twin has one
function an instruction. Memory is one array of 32-bit words indexed by address / 4, with a byte of permissions each; the
program is decoded beforehand. The loop returns after a bounded amount of work, so Python can be interrupted.
"""

from typing import Any

import numpy as np
from numba import njit

from veritape.executor.image import Permission
from veritape.executor.vm import calls
from veritape.executor.vm.decoding import Operation as Op
from veritape.executor.vm.execution import CYCLE_CLASSES, POSEIDON2_WORK, SHA256_WORK, cycle_class
from veritape.executor.vm.sha256 import ROUND_CONSTANTS
from veritape.executor.vm.traps import TrapReason
from veritape.stark.compiled.hashing import permute
from veritape.stark.field import P

PC, CYCLES, POSITION, JOURNAL, EXIT_CODE, ADDRESS, PERMUTATIONS, BLOCKS, INPUT_WORDS, TOUCHED = range(10)
"""Places in the state array."""

STATE_SIZE = 10
"""Length of the state array."""

RESULT_STATUS, RESULT_WORD, RESULT_STATE = 0, 1, 2
"""Places in a batch's row: status, the word at the last program counter, the state; the counts by class follow."""

RESULT_SIZE = RESULT_STATE + STATE_SIZE + len(CYCLE_CLASSES)
"""Length of a batch's row."""

RUNNING, HALTED, DEBUGGING, TRAPPED = 0, 1, 2, 3
"""What ``run`` returns; TRAPPED + n is the n-th ``TrapReason``."""

ILLEGAL, UNFETCHABLE = len(Op), len(Op) + 1
"""Decoded operations beside the machine's own."""

_REASONS = {reason: TRAPPED + place for place, reason in enumerate(TrapReason)}
_T_BREAKPOINT = _REASONS[TrapReason.BREAKPOINT]
_T_FETCH = _REASONS[TrapReason.FETCH_FAULT]
_T_ILLEGAL = _REASONS[TrapReason.ILLEGAL_INSTRUCTION]
_T_MISALIGNED_FETCH = _REASONS[TrapReason.MISALIGNED_FETCH]
_T_MISALIGNED = _REASONS[TrapReason.MISALIGNED_ACCESS]
_T_LOAD = _REASONS[TrapReason.LOAD_FAULT]
_T_STORE = _REASONS[TrapReason.STORE_FAULT]
_T_READONLY = _REASONS[TrapReason.STORE_TO_READONLY]
_T_UNKNOWN = _REASONS[TrapReason.UNKNOWN_ECALL]
_T_ARGUMENT = _REASONS[TrapReason.BAD_ECALL_ARGUMENT]
_T_FIELD = _REASONS[TrapReason.NONCANONICAL_FIELD_ELEMENT]
_T_JOURNAL = _REASONS[TrapReason.JOURNAL_LIMIT]
_T_CYCLES = _REASONS[TrapReason.CYCLE_LIMIT]
_T_WORK = _REASONS[TrapReason.WORK_LIMIT]
_BLOCK_WORK, _PERMUTATION_WORK = SHA256_WORK, POSEIDON2_WORK

_CLASS = np.array([CYCLE_CLASSES.index(cycle_class(op)) for op in Op], dtype=np.uint8)
_K = np.array(ROUND_CONSTANTS, dtype=np.int64)
_MASK = 0xFFFFFFFF
_SIGN = 0x80000000
_PRIME = P
_READABLE, _WRITABLE = int(Permission.READ), int(Permission.WRITE)
_BOTH = _READABLE | _WRITABLE
_ADDRESS_END = calls.ADDRESS_END
_MAX_READ, _MAX_COMMIT, _MAX_BLOCKS = calls.MAX_READ_BYTES, calls.MAX_COMMIT_BYTES, calls.MAX_BLOCKS
_LUI, _AUIPC, _JAL, _JALR = int(Op.LUI), int(Op.AUIPC), int(Op.JAL), int(Op.JALR)
_BEQ, _BNE, _BLT, _BGE, _BLTU, _BGEU = (int(op) for op in (Op.BEQ, Op.BNE, Op.BLT, Op.BGE, Op.BLTU, Op.BGEU))
_LB, _LH, _LW, _LBU, _LHU = (int(op) for op in (Op.LB, Op.LH, Op.LW, Op.LBU, Op.LHU))
_SB, _SH, _SW = int(Op.SB), int(Op.SH), int(Op.SW)
_ADDI, _SLTI, _SLTIU, _XORI, _ORI, _ANDI = (
    int(op) for op in (Op.ADDI, Op.SLTI, Op.SLTIU, Op.XORI, Op.ORI, Op.ANDI)
)
_SLLI, _SRLI, _SRAI = int(Op.SLLI), int(Op.SRLI), int(Op.SRAI)
_ADD, _SUB, _SLL, _SLT, _SLTU, _XOR = (int(op) for op in (Op.ADD, Op.SUB, Op.SLL, Op.SLT, Op.SLTU, Op.XOR))
_SRL, _SRA, _OR, _AND = int(Op.SRL), int(Op.SRA), int(Op.OR), int(Op.AND)
_MUL, _MULH, _MULHSU, _MULHU = int(Op.MUL), int(Op.MULH), int(Op.MULHSU), int(Op.MULHU)
_DIV, _DIVU, _REM, _REMU = int(Op.DIV), int(Op.DIVU), int(Op.REM), int(Op.REMU)
_FENCE, _ECALL, _EBREAK = int(Op.FENCE), int(Op.ECALL), int(Op.EBREAK)


@njit(cache=True)
def _signed(value: Any) -> Any:
    return (value ^ _SIGN) - _SIGN


@njit(cache=True)
def _rotate(word: Any, bits: int) -> Any:
    return (word >> bits | word << (32 - bits)) & _MASK


@njit(cache=True)
def _swap(word: Any) -> Any:
    return word >> 24 | (word >> 8 & 0xFF00) | (word << 8 & 0xFF0000) | (word << 24 & 0xFF000000)


@njit(cache=True)
def _compress(h: Any, w: Any) -> None:
    for t in range(16, 64):
        x, y = w[t - 15], w[t - 2]
        s0 = _rotate(x, 7) ^ _rotate(x, 18) ^ (x >> 3)
        s1 = _rotate(y, 17) ^ _rotate(y, 19) ^ (y >> 10)
        w[t] = (w[t - 16] + s0 + w[t - 7] + s1) & _MASK
    a, b, c, d, e, f, g, k = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
    for t in range(64):
        first = k + (_rotate(e, 6) ^ _rotate(e, 11) ^ _rotate(e, 25))
        first += ((e & f) ^ ((e ^ _MASK) & g)) + _K[t] + w[t]
        second = (_rotate(a, 2) ^ _rotate(a, 13) ^ _rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
        k, g, f, e = g, f, e, (d + first) & _MASK
        d, c, b, a = c, b, a, (first + second) & _MASK
    h[0], h[1], h[2], h[3] = (h[0] + a) & _MASK, (h[1] + b) & _MASK, (h[2] + c) & _MASK, (h[3] + d) & _MASK
    h[4], h[5], h[6], h[7] = (h[4] + e) & _MASK, (h[5] + f) & _MASK, (h[6] + g) & _MASK, (h[7] + k) & _MASK


@njit(cache=True)
def _allows(permissions: Any, address: Any, words: Any, needed: int) -> bool:
    if address % 4 != 0 or address >= _ADDRESS_END or (address >> 2) + words > permissions.size:
        return words == 0 and address % 4 == 0 and address < _ADDRESS_END
    for place in range(address >> 2, (address >> 2) + words):
        if permissions[place] & needed != needed:
            return False
    return True


@njit(cache=True)
def _touch(touched: Any, places: Any, state: Any, place: Any) -> None:
    """Note a word that an execution names, once, so that it can be undone."""
    if touched[place] == 0:
        touched[place] = 1
        places[state[TOUCHED]] = place
        state[TOUCHED] += 1


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
        _touch(touched, places, state, place)
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
        _touch(touched, places, state, place)
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
        _touch(touched, places, state, place + lane)
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
            w[i] = _swap(np.int64(words[place + i]))
            _touch(touched, places, state, place + i)
        _compress(h, w)
        place += 16
    for i in range(8):
        words[(address >> 2) + i] = h[i]
        _touch(touched, places, state, (address >> 2) + i)
    state[BLOCKS] += count
    return RUNNING


@njit(cache=True)
def _call(
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


@njit(cache=True)
def _arithmetic(op: Any, a: Any, b: Any) -> Any:
    """Compute rd of a register or immediate operation from unsigned operands."""
    if op == _ADD:
        return a + b
    if op == _SUB:
        return a - b
    if op == _SLL:
        return a << (b & 31)
    if op == _SLT:
        return np.int64(_signed(a) < _signed(b))
    if op == _SLTU:
        return np.int64(a < b)
    if op == _XOR:
        return a ^ b
    if op == _SRL:
        return a >> (b & 31)
    if op == _SRA:
        return _signed(a) >> (b & 31)
    if op == _OR:
        return a | b
    if op == _AND:
        return a & b
    if op == _MUL:
        return a * b
    if op == _MULH:
        return (_signed(a) * _signed(b)) >> 32
    if op == _MULHSU:
        return (_signed(a) * b) >> 32
    if op == _MULHU:
        return (a * b) >> 32
    if op == _DIVU:
        return a // b if b else np.int64(_MASK)
    if op == _REMU:
        return a % b if b else a
    if b == 0:
        return np.int64(_MASK) if op == _DIV else a
    x, y = _signed(a), _signed(b)
    if op == _DIV:
        quotient = abs(x) // abs(y)
        return -quotient if (x < 0) != (y < 0) else quotient
    rest = abs(x) % abs(y)
    return -rest if x < 0 else rest


@njit(cache=True)
def accelerated(state: Any) -> Any:
    """Return the work that accelerated calls stand for."""
    return state[BLOCKS] * _BLOCK_WORK + state[PERMUTATIONS] * _PERMUTATION_WORK


@njit(cache=True, nogil=True)
def run(
    state: Any, registers: Any, counts: Any, program: Any, immediates: Any, code_start: int, words: Any,
    permissions: Any, touched: Any, places: Any, data: Any, journal: Any, max_cycles: int, work: int, debug: bool,
) -> int:  # fmt: skip
    """Execute until the guest halts, traps, calls debug, or ``work`` units of work are done (EX-205).

    Args:
        state: int64, by the places above.
        registers: int64, 32 unsigned values.
        counts: int64, retired instructions by class.
        program: uint8, one row (operation, rd, rs1, rs2) per word from ``code_start``.
        immediates: int64, one per word from ``code_start``.
        code_start: address of the first decoded word.
        words: uint32, memory by address / 4.
        permissions: uint8, permission bits of each word.
        touched: uint8, 1 where a word was read or written.
        places: int32, the words that were, in order: what a batch undoes.
        data: uint8, the input.
        journal: uint8, as long as its limit.
        max_cycles: instructions that may retire.
        work: units of work before this function returns.
        debug: return at debug calls.
    """
    pc = state[PC]
    cycles = state[CYCLES]
    status = RUNNING
    end = cycles + work
    while cycles < end:
        if cycles >= max_cycles:
            state[ADDRESS] = 0
            status = _T_CYCLES
            break
        state[ADDRESS] = pc
        index = (pc - code_start) >> 2
        if pc < code_start or index >= immediates.size:
            status = _T_FETCH
            break
        op = np.int64(program[index, 0])
        if op >= ILLEGAL:
            if op == ILLEGAL:
                state[ADDRESS] = 0
            status = _T_ILLEGAL if op == ILLEGAL else _T_FETCH
            break
        rd: Any = np.int64(program[index, 1])
        a = registers[program[index, 2]]
        immediate = immediates[index]
        following = pc + 4
        value: Any = np.int64(0)
        if op >= _ADD and op <= _REMU:
            value = _arithmetic(op, a, registers[program[index, 3]])
        elif op >= _ADDI and op <= _SRAI:
            b = immediate & _MASK
            if op == _ADDI:
                value = a + b
            elif op == _SLTI:
                value = _arithmetic(_SLT, a, b)
            elif op == _SLTIU:
                value = _arithmetic(_SLTU, a, b)
            elif op == _XORI:
                value = a ^ b
            elif op == _ORI:
                value = a | b
            elif op == _ANDI:
                value = a & b
            elif op == _SLLI:
                value = a << b
            elif op == _SRLI:
                value = a >> b
            else:
                value = _signed(a) >> b
        elif op >= _LB and op <= _LHU:
            address = (a + immediate) & _MASK
            state[ADDRESS] = address
            if ((op == _LH or op == _LHU) and address & 1) or (op == _LW and address & 3):
                status = _T_MISALIGNED
                break
            place = address >> 2
            if place >= permissions.size or permissions[place] == 0:
                status = _T_LOAD
                break
            _touch(touched, places, state, place)
            value = np.int64(words[place]) >> (8 * (address & 3))
            if op == _LB:
                value = ((value & 0xFF) ^ 0x80) - 0x80
            elif op == _LBU:
                value &= 0xFF
            elif op == _LH:
                value = ((value & 0xFFFF) ^ 0x8000) - 0x8000
            elif op == _LHU:
                value &= 0xFFFF
        elif op >= _SB and op <= _SW:
            address = (a + immediate) & _MASK
            state[ADDRESS] = address
            if (op == _SH and address & 1) or (op == _SW and address & 3):
                status = _T_MISALIGNED
                break
            place = address >> 2
            if place >= permissions.size or permissions[place] == 0:
                status = _T_STORE
                break
            if permissions[place] & _WRITABLE == 0:
                status = _T_READONLY
                break
            _touch(touched, places, state, place)
            b = registers[program[index, 3]]
            shift = 8 * (address & 3)
            if op == _SW:
                words[place] = b
            elif op == _SH:
                words[place] = (np.int64(words[place]) & ~(0xFFFF << shift)) | ((b & 0xFFFF) << shift)
            else:
                words[place] = (np.int64(words[place]) & ~(0xFF << shift)) | ((b & 0xFF) << shift)
            rd = 0
        elif op >= _BEQ and op <= _BGEU:
            b = registers[program[index, 3]]
            if op == _BEQ:
                taken = a == b
            elif op == _BNE:
                taken = a != b
            elif op == _BLT:
                taken = _signed(a) < _signed(b)
            elif op == _BGE:
                taken = _signed(a) >= _signed(b)
            elif op == _BLTU:
                taken = a < b
            else:
                taken = a >= b
            if taken:
                following = (pc + immediate) & _MASK
            rd = 0
        elif op == _JAL:
            value = following
            following = (pc + immediate) & _MASK
        elif op == _JALR:
            value = following
            following = (a + immediate) & (_MASK - 1)
        elif op == _LUI:
            value = immediate
        elif op == _AUIPC:
            value = pc + immediate
        elif op == _ECALL:
            before = accelerated(state)
            status = _call(registers, state, words, permissions, touched, places, data, journal, debug)
            if status >= TRAPPED:
                break
            end -= accelerated(state) - before
            rd = 0
        elif op == _EBREAK:
            state[ADDRESS] = 0
            status = _T_BREAKPOINT
            break
        else:
            rd = 0
        if following & 3:
            state[ADDRESS] = following
            status = _T_MISALIGNED_FETCH
            break
        if rd:
            registers[rd] = value & _MASK
        counts[_CLASS[op]] += 1
        cycles += 1
        pc = following
        if status != RUNNING:
            break
    state[PC] = pc
    state[CYCLES] = cycles
    return status


@njit(cache=True)
def limit_reached(state: Any, max_cycles: int, max_work: int) -> int:
    """Return the trap of a limit that stops the next instruction, or RUNNING; the cycle limit comes first."""
    if state[CYCLES] >= max_cycles:
        state[ADDRESS] = 0
        return _T_CYCLES
    if state[CYCLES] + accelerated(state) >= max_work:
        state[ADDRESS] = 0
        return _T_WORK
    return RUNNING


@njit(cache=True)
def undo(words: Any, initial: Any, touched: Any, places: Any, count: int) -> None:
    """Give the words that an execution named their first values again; the rest of the memory was not changed."""
    for index in range(count):
        place = places[index]
        words[place] = initial[place]
        touched[place] = 0


@njit(cache=True, nogil=True)
def run_batch(
    progress: Any, state: Any, registers: Any, counts: Any, program: Any, immediates: Any, code_start: int, words: Any,
    permissions: Any, touched: Any, places: Any, initial: Any, data: Any, offsets: Any, journal: Any, entry: int,
    stack: int, max_cycles: int, max_work: int, work: int, results: Any, all_registers: Any, journals: Any,
) -> None:  # fmt: skip
    """Execute one program over many inputs until all are done, ``work`` is spent or the journals fill their buffer.

    The arguments that are not described here are those of ``run``.

    Args:
        progress: int64: next item, whether it has begun, bytes in ``journals``; the caller empties the buffer and calls again.
        initial: uint32, the memory before any execution.
        data: uint8, all inputs one after the other.
        offsets: int64, where each input begins, and the end.
        entry: first program counter.
        stack: first value of sp.
        max_work: units of work of one execution.
        results: int64, one row an item, by the places of ``RESULT``.
        all_registers: uint32, one row an item.
        journals: uint8, takes the journals one after the other; longer than ``journal``.
    """
    spent = 0
    item = progress[0]
    while item < offsets.size - 1 and spent < work and journals.size - progress[2] >= journal.size:
        if progress[1] == 0:
            state[:] = 0
            registers[:] = 0
            counts[:] = 0
            state[PC] = entry
            registers[2] = stack
            progress[1] = 1
        before = state[CYCLES] + accelerated(state)
        status = run(
            state, registers, counts, program, immediates, code_start, words, permissions, touched, places,
            data[offsets[item] : offsets[item + 1]], journal, max_cycles, min(work - spent, max_work - before), False,
        )  # fmt: skip
        spent += state[CYCLES] + accelerated(state) - before
        if status == RUNNING:
            status = limit_reached(state, max_cycles, max_work)
        if status == RUNNING:
            continue
        results[item, 0] = status
        results[item, 1] = words[state[PC] >> 2] if 0 <= state[PC] >> 2 < words.size else 0
        results[item, 2 : 2 + STATE_SIZE] = state
        results[item, 2 + STATE_SIZE :] = counts
        for register in range(32):
            all_registers[item, register] = registers[register]
        for place in range(state[JOURNAL]):
            journals[progress[2] + place] = journal[place]
        progress[2] += state[JOURNAL]
        undo(words, initial, touched, places, state[TOUCHED])
        progress[1] = 0
        item += 1
    progress[0] = item
