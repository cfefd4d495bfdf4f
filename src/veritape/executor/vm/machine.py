"""The readable machine: it defines what a program does (EX-101 to 110, EX-201).

An execution is a pure function of image, input and limits. A cycle is one retired instruction; the one that traps is not
counted. The cycle limit is tested before the fetch.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from veritape.executor.image import Image
from veritape.executor.vm.calls import World, call
from veritape.executor.vm.decoding import Operation, decode
from veritape.executor.vm.execution import (
    CYCLE_CLASSES,
    DEFAULT_LIMITS,
    POSEIDON2_WORK,
    SHA256_WORK,
    DebugSink,
    Detail,
    Execution,
    Limits,
    Stop,
    StoppedError,
    cycle_class,
    never,
)
from veritape.executor.vm.instructions import STEPS, Hart
from veritape.executor.vm.memory import Memory
from veritape.executor.vm.traps import Trap, Trapped, TrapReason

Watch: TypeAlias = Callable[[int, int, int, Sequence[int]], None]
"""Takes cycle, pc, instruction word, and the registers after it."""

CYCLES_BETWEEN_LOOKS = 4096
"""Instructions between two looks at the stop token: about 10 ms."""


def execute(
    image: Image,
    input_bytes: bytes,
    limits: Limits = DEFAULT_LIMITS,
    debug: DebugSink | None = None,
    stop: Stop = never,
    watch: Watch | None = None,
) -> Execution:
    """Run a program over an input until it halts or traps; ``watch`` sees each instruction that retired.

    Raises:
        StoppedError: the stop token said so.
    """
    hart = Hart(Memory(image), image.memory_end, image.entry)
    world = World(input_bytes, limits.journal_bytes, debug)
    counts: Counter[str] = Counter()
    trap, cycles = None, 0
    while trap is None and world.exit_code is None:
        word = 0
        if cycles % CYCLES_BETWEEN_LOOKS == 0 and stop():
            raise StoppedError("stopped between two instructions")
        try:
            _check_limits(world, cycles, limits)
            word = hart.memory.fetch(hart.pc)
            pc = hart.pc
            counts[_step(hart, world, word)] += 1
            if watch is not None:
                watch(cycles, pc, word, hart.registers)
            cycles += 1
        except Trapped as trapped:
            trap = Trap(trapped.reason, hart.pc, word, trapped.address, cycles)
    detail = Detail(
        tuple(counts[name] for name in CYCLE_CLASSES),
        world.permutations,
        world.blocks,
        len(hart.memory.touched),
        world.input_words,
    )
    return Execution(world.exit_code, trap, cycles, bytes(world.journal), tuple(hart.registers), detail)


def execute_batch(
    image: Image, inputs: Sequence[bytes], limits: Limits = DEFAULT_LIMITS, stop: Stop = never
) -> Iterator[Execution]:
    """Yield the execution of each input."""
    for input_bytes in inputs:
        yield execute(image, input_bytes, limits, None, stop)


def _check_limits(world: World, cycles: int, limits: Limits) -> None:
    if cycles >= limits.cycles:
        raise Trapped(TrapReason.CYCLE_LIMIT)
    if cycles + SHA256_WORK * world.blocks + POSEIDON2_WORK * world.permutations >= limits.max_work:
        raise Trapped(TrapReason.WORK_LIMIT)


def _step(hart: Hart, world: World, word: int) -> str:
    """Carry out one instruction and return its class."""
    instruction = decode(word)
    if instruction is None:
        raise Trapped(TrapReason.ILLEGAL_INSTRUCTION)
    if instruction.operation is Operation.ECALL:
        call(hart, world)
        hart.pc += 4
    else:
        hart.pc = STEPS[instruction.operation](hart, instruction)
    return cycle_class(instruction.operation)
