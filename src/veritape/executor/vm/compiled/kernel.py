"""The compiled step loop. ``vm.machine`` defines what is right; the two agree on every vector and on random programs.

One function holds all operations because Numba turns the chain of comparisons into one jump table; its readable twin has one
function an instruction. Memory is one array of 32-bit words indexed by address / 4, with a byte of permissions each; the
program is decoded beforehand. The loop returns after a bounded amount of work, so Python can be interrupted.

What it calls lies in other files, and Numba's cache looks at a function's own file alone: the folder of the cache is named after all sources.
"""

from typing import Any

import numpy as np
from numba import njit

from veritape.executor.image import Permission
from veritape.executor.vm.compiled.arithmetic import arithmetic, signed
from veritape.executor.vm.compiled.calls import accelerated, call, touch
from veritape.executor.vm.compiled.layout import (
    ADDRESS,
    CYCLES,
    ILLEGAL,
    JOURNAL,
    PC,
    RUNNING,
    STATE_SIZE,
    STATUS_OF,
    TOUCHED,
    TRAPPED,
)
from veritape.executor.vm.decoding import Operation as Op
from veritape.executor.vm.execution import CYCLE_CLASSES, cycle_class
from veritape.executor.vm.traps import TrapReason

_T_BREAKPOINT = STATUS_OF[TrapReason.BREAKPOINT]
_T_FETCH = STATUS_OF[TrapReason.FETCH_FAULT]
_T_ILLEGAL = STATUS_OF[TrapReason.ILLEGAL_INSTRUCTION]
_T_MISALIGNED_FETCH = STATUS_OF[TrapReason.MISALIGNED_FETCH]
_T_MISALIGNED = STATUS_OF[TrapReason.MISALIGNED_ACCESS]
_T_LOAD = STATUS_OF[TrapReason.LOAD_FAULT]
_T_STORE = STATUS_OF[TrapReason.STORE_FAULT]
_T_READONLY = STATUS_OF[TrapReason.STORE_TO_READONLY]
_T_CYCLES = STATUS_OF[TrapReason.CYCLE_LIMIT]
_T_WORK = STATUS_OF[TrapReason.WORK_LIMIT]

_CLASS = np.array([CYCLE_CLASSES.index(cycle_class(op)) for op in Op], dtype=np.uint8)
_MASK = 0xFFFFFFFF
_WRITABLE = int(Permission.WRITE)
_LUI, _AUIPC, _JAL, _JALR = int(Op.LUI), int(Op.AUIPC), int(Op.JAL), int(Op.JALR)
_BEQ, _BNE, _BLT, _BGE, _BLTU, _BGEU = (int(op) for op in (Op.BEQ, Op.BNE, Op.BLT, Op.BGE, Op.BLTU, Op.BGEU))
_LB, _LH, _LW, _LBU, _LHU = (int(op) for op in (Op.LB, Op.LH, Op.LW, Op.LBU, Op.LHU))
_SB, _SH, _SW = int(Op.SB), int(Op.SH), int(Op.SW)
_ADDI, _SLTI, _SLTIU, _XORI, _ORI, _ANDI = (
    int(op) for op in (Op.ADDI, Op.SLTI, Op.SLTIU, Op.XORI, Op.ORI, Op.ANDI)
)
_SLLI, _SRLI, _SRAI = int(Op.SLLI), int(Op.SRLI), int(Op.SRAI)
_ADD, _SLT, _SLTU, _REMU = int(Op.ADD), int(Op.SLT), int(Op.SLTU), int(Op.REMU)
_FENCE, _ECALL, _EBREAK = int(Op.FENCE), int(Op.ECALL), int(Op.EBREAK)


@njit(cache=True, nogil=True)
def run(
    state: Any, registers: Any, counts: Any, program: Any, immediates: Any, code_start: int, words: Any,
    permissions: Any, touched: Any, places: Any, data: Any, journal: Any, max_cycles: int, work: int, debug: bool,
) -> int:  # fmt: skip
    """Execute until the guest halts, traps, calls debug, or ``work`` units of work are done (EX-205).

    Args:
        state: int64, by the places of ``layout``.
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
            value = arithmetic(op, a, registers[program[index, 3]])
        elif op >= _ADDI and op <= _SRAI:
            b = immediate & _MASK
            if op == _ADDI:
                value = a + b
            elif op == _SLTI:
                value = arithmetic(_SLT, a, b)
            elif op == _SLTIU:
                value = arithmetic(_SLTU, a, b)
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
                value = signed(a) >> b
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
            touch(touched, places, state, place)
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
            touch(touched, places, state, place)
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
                taken = signed(a) < signed(b)
            elif op == _BGE:
                taken = signed(a) >= signed(b)
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
            status = call(registers, state, words, permissions, touched, places, data, journal, debug)
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
        results: int64, one row an item, by the places of ``RESULT`` in ``layout``.
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
