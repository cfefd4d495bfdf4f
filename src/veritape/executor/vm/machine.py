"""The readable machine: it defines what a program does (EX-101 to 110, EX-201).

An execution is a pure function of image, input and limits. A cycle is one retired instruction; the one that traps is not
counted. The cycle limit is tested before the fetch.
"""

from collections import Counter

from veritape.executor.image import Image
from veritape.executor.vm.calls import World, call
from veritape.executor.vm.decoding import Operation, decode
from veritape.executor.vm.execution import (
    CYCLE_CLASSES,
    DEFAULT_LIMITS,
    DebugSink,
    Detail,
    Execution,
    Limits,
    cycle_class,
)
from veritape.executor.vm.instructions import STEPS, Hart
from veritape.executor.vm.memory import Memory
from veritape.executor.vm.traps import Trap, Trapped, TrapReason


def execute(
    image: Image, input_bytes: bytes, limits: Limits = DEFAULT_LIMITS, debug: DebugSink | None = None
) -> Execution:
    """Run a program over an input until it halts or traps."""
    hart = Hart(Memory(image), image.memory_end, image.entry)
    world = World(input_bytes, limits.journal_bytes, debug)
    counts: Counter[str] = Counter()
    trap, cycles = None, 0
    while trap is None and world.exit_code is None:
        word = 0
        try:
            if cycles >= limits.cycles:
                raise Trapped(TrapReason.CYCLE_LIMIT)  # noqa: TRY301 - traps leave by one door
            word = hart.memory.fetch(hart.pc)
            counts[_step(hart, world, word)] += 1
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
