"""Backends that die, hang or take memory in a worker, for the tests of the runtime; made by name in each worker."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.executor.backend import TraceBackend
from veritape.executor.image import Image
from veritape.executor.receipts import SimulatedReceipt
from veritape.executor.runtime.outcomes import Failed
from veritape.executor.vm.execution import Limits, Stop, never

KILL = b"kill"
"""An input on which the worker dies, whenever it is run."""

ONCE = b"once"
"""The begin of an input on which the worker dies for the first time; the rest names a file that remembers."""

HANG = b"hang"
"""An input on which the worker sees no stop token."""


TAKE = b"take"
"""The begin of an input for which the worker takes memory while it runs; the rest says how many MiB."""


class FaultyBackend(TraceBackend):
    """Executes, but for the inputs above."""

    def run(
        self,
        image: Image,
        inputs: Sequence[bytes],
        limits: Limits,
        stop: Stop = never,
        digests: Sequence[bytes] | None = None,
    ) -> Iterator[SimulatedReceipt | Failed]:
        for data in inputs:
            if data == KILL or (data.startswith(ONCE) and self._first(data)):
                os.kill(os.getpid(), signal.SIGKILL)
            if data == HANG:
                threading.Event().wait(600)
            if data.startswith(TAKE):
                _ = bytearray(b"\xff") * (int(data.removeprefix(TAKE)) << 20)
        yield from super().run(image, inputs, limits, stop, digests)

    @staticmethod
    def _first(data: bytes) -> bool:
        path = Path(data.removeprefix(ONCE).decode())
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def faulty_backend() -> TraceBackend:
    return FaultyBackend(compiled_simulator())
