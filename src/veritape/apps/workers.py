"""The worker processes of a gateway: started, started again when they die, signalled, ended (GW-551).

Each worker is a process of its own with a socket of its own on the same port (SO_REUSEPORT): the kernel spreads
connections, and a dead worker takes only its own with it.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import MisuseError, UnavailableError

FIRST_DELAY_NS: Final = NANOSECONDS // 10
"""Pause before a dead worker is started again."""

LONGEST_DELAY_NS: Final = 10 * NANOSECONDS
"""The pause doubles up to this while a worker does not live as long."""

READY: Final = b"1"
"""What a worker writes when it serves."""


def next_delay_ns(before_ns: int, lived_ns: int) -> int:
    """Return the pause before a restart: the shortest for a worker that lived for a while, else twice the one before."""
    if lived_ns >= LONGEST_DELAY_NS or not before_ns:
        return FIRST_DELAY_NS
    return min(LONGEST_DELAY_NS, 2 * before_ns)


def tell_ready(descriptor: int) -> None:
    """Tell the parent that this worker serves."""
    os.write(descriptor, READY)
    os.close(descriptor)


class Workers:
    """The worker processes of one gateway."""

    def __init__(
        self, command: Sequence[str], environments: Sequence[Mapping[str, str]], descriptors: Sequence[int], clock: Clock,
        died: Callable[[int, int], None],
    ) -> None:  # fmt: skip
        """Describe them.

        Args:
            command: of a worker, less the descriptor that it tells through that it serves.
            environments: one for each worker.
            descriptors: that every worker inherits.
            clock: measures how long they lived.
            died: told number and exit status of a worker that ended unasked.
        """
        self._command, self._environments, self._descriptors = command, environments, descriptors
        self._clock, self._died = clock, died
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._serving: set[int] = set()
        self._keeping: list[asyncio.Task[None]] = []

    @property
    def process_ids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [process.pid for process in self._processes.values() if process.returncode is None]

    async def start(self) -> None:
        """Start all; return when all serve.

        Raises:
            MisuseError: one ended with 2 before it served; it has said why.
            UnavailableError: one ended otherwise before it served.
        """
        loop = asyncio.get_running_loop()
        serving = [loop.create_future() for _ in self._environments]
        self._keeping = [
            asyncio.create_task(self._keep(number, first)) for number, first in enumerate(serving)
        ]
        await asyncio.gather(*serving)

    def reload(self) -> None:
        """Pass SIGHUP to the workers that serve: one that still starts reads everything anew, and would die of it."""
        self.signal(signal.SIGHUP, self._serving)

    def signal(self, number: int, among: Collection[int] | None = None) -> None:
        """Pass a signal on, to all workers or to those among some process ids."""
        for process in self._processes.values():
            if among is None or process.pid in among:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)

    async def stop(self, seconds: float) -> None:
        """End all: asked first, killed after some seconds."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        self.signal(signal.SIGTERM)
        ending = [asyncio.create_task(process.wait()) for process in self._processes.values()]
        if ending:
            await asyncio.wait(ending, timeout=seconds)
            self.signal(signal.SIGKILL)
            await asyncio.wait(ending)

    async def _keep(self, number: int, serving: "asyncio.Future[None]") -> None:
        """Start a worker again whenever it dies."""
        delay_ns = 0
        while True:
            begun_ns = self._clock.monotonic_ns()
            process = await self._spawn(number, serving)
            status = await process.wait()
            self._serving.discard(process.pid)
            if not serving.done():
                failed = MisuseError if status == MisuseError.exit_code else UnavailableError
                serving.set_exception(failed(f"worker {number} ended with status {status} before it served"))
                return
            self._died(number, status)
            now_ns = self._clock.monotonic_ns()
            delay_ns = next_delay_ns(delay_ns, now_ns - begun_ns)
            await self._clock.sleep_until(now_ns + delay_ns)

    async def _spawn(self, number: int, serving: "asyncio.Future[None]") -> asyncio.subprocess.Process:
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, "--worker", str(writing), env=dict(self._environments[number]),
                pass_fds=(writing, *self._descriptors), start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(writing)
        self._processes[number] = process
        loop = asyncio.get_running_loop()

        def told() -> None:
            loop.remove_reader(reading)
            if os.read(reading, 1) == READY:
                self._serving.add(process.pid)
                if not serving.done():
                    serving.set_result(None)
            os.close(reading)

        loop.add_reader(reading, told)
        return process
