"""Suite ``executor``."""

from collections.abc import Iterator

from veritape.apps.bench.results import Row, Size, rates
from veritape.apps.compiled_kernels import compiled_simulator
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.vm.execution import DEFAULT_LIMITS
from veritape.executor.vm.machine import execute

FIBONACCI_STEPS = 100_000
"""Loop turns of the guest that the machines execute."""


def executor(size: Size) -> Iterator[Row]:
    """Measure the machine."""
    compiled, image = compiled_simulator(), guest_image("fibonacci")
    tape = FIBONACCI_STEPS.to_bytes(4, "little") + bytes(4) + (1).to_bytes(4, "little")
    short = (FIBONACCI_STEPS // 100).to_bytes(4, "little") + tape[4:]

    def fast() -> int:
        return sum(compiled.machine(image, tape, DEFAULT_LIMITS, None).detail.cycles_by_class)

    def readable() -> int:
        return sum(execute(image, short, DEFAULT_LIMITS, None).detail.cycles_by_class)

    values, peers = rates(size, fast, readable)
    yield Row("instructions_per_second", values, peer="the readable machine", peer_values=peers)
