"""The simulator as a value."""

import pytest
from tests import rv32
from tests.compiled import READABLE, SIMULATOR

from veritape.executor.backend import WORKER_BYTES, TraceBackend
from veritape.executor.vm.execution import Limits
from veritape.kernel.errors import MisuseError


def test_both_simulators_give_the_same_receipt() -> None:
    """EX-201: whichever machine and sponge: equal receipts, byte for byte."""
    image = rv32.image([*rv32.call(1, rv32.RAM, 8), *rv32.call(2, rv32.RAM, 8), *rv32.halt(5)])
    assert SIMULATOR.run(image, b"12345").to_bytes() == READABLE.run(image, b"12345").to_bytes()


def test_an_input_over_its_limit_is_refused() -> None:
    """EX-661: input_too_large, before anything runs."""
    with pytest.raises(MisuseError, match="input_too_large"):
        READABLE.run(rv32.image(rv32.halt()), b"12345", Limits(input_bytes=4))


def test_each_thread_of_a_job_needs_a_guests_memory() -> None:
    """EX-351: predicted before it runs: memory, input and journal for each thread, and the worker's own share once."""
    image, limits = rv32.image(rv32.halt()), Limits(journal_bytes=100)
    one, two = (TraceBackend(READABLE).estimate(image, 50, limits, threads).bytes for threads in (1, 2))
    assert two - one == image.memory_bytes + 150
    assert one - (two - one) == WORKER_BYTES
