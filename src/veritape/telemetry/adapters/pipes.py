"""Pipes between a part's processes and the supervisor that serves the page (TL-120)."""

import asyncio
import contextlib
import os
from collections.abc import Callable

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError
from veritape.telemetry.page import Page
from veritape.telemetry.registry import Registry
from veritape.telemetry.vectors import Refusal, VectorDecoder, encode

PERIOD_NS = NANOSECONDS
"""Time between two vectors: the page is at most this old for a child's families."""

READ_BYTES = 65_536
"""Capacity of a Linux pipe."""


class VectorSender:
    """Sends a registry's state through an inherited descriptor each second, and once at an orderly end."""

    def __init__(self, descriptor: int, registry: Registry, clock: Clock) -> None:
        try:
            os.set_blocking(descriptor, False)
            os.set_inheritable(descriptor, False)
        except OSError as error:
            raise UnavailableError(f"metrics pipe {descriptor} is not open: {error.strerror}") from error
        self._descriptor = descriptor
        self._registry = registry
        self._clock = clock
        self._sequence = 0
        self._unsent = b""

    def send(self) -> bool:
        """Write the present state; False when the pipe is full or closed: the next one will tell more."""
        if not self._unsent:
            self._unsent = encode(self._registry, os.getpid(), self._sequence)
            self._sequence += 1
        try:
            written = os.write(self._descriptor, self._unsent)
        except (BlockingIOError, BrokenPipeError):
            return False
        self._unsent = self._unsent[written:]
        return not self._unsent

    async def run(self) -> None:
        """Send each second until cancelled, then once more."""
        try:
            while True:
                self.send()
                await self._clock.sleep_until(self._clock.monotonic_ns() + PERIOD_NS)
        finally:
            if self._unsent:
                self.send()
            self.send()


class VectorReceiver:
    """Reads the pipes of children into a page. Close it when the children are gone."""

    def __init__(self, page: Page, clock: Clock, warn: Callable[[str, Refusal], None]) -> None:
        self._page = page
        self._clock = clock
        self._warn = warn
        self._ends: list[tuple[int, int]] = []

    def open_pipe(self, part: str) -> int:
        """Return the writing end for one child of a part: it is inherited under this number, restarts included."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        state, decoder = self._page.add_pipe(part), VectorDecoder(self._page.parts[part].registry)
        warned: set[Refusal] = set()

        def read() -> None:
            with contextlib.suppress(BlockingIOError):
                for vector in decoder.feed(os.read(reading, READ_BYTES)):
                    state.receive(vector, self._clock.monotonic_ns())
            for reason in Refusal:
                if decoder.refused[reason] and reason not in warned:
                    warned.add(reason)
                    self._warn(part, reason)

        asyncio.get_running_loop().add_reader(reading, read)
        self._ends.append((reading, writing))
        return writing

    def close(self) -> None:
        """Stop reading and close both ends of every pipe."""
        for reading, writing in self._ends:
            asyncio.get_running_loop().remove_reader(reading)
            os.close(reading)
            os.close(writing)
        self._ends.clear()
