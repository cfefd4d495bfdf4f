"""Group commit: whatever came while the last group was being written goes into the next one together (GW-661, GW-662).

One thread writes. The number of events behind one ``fdatasync`` grows with the load, and no timer delays a lone one: an
event waits for the commit that runs and for its own.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from veritape.gateway.adapters.way import Signal
from veritape.gateway.usage import UsageEvent
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError

GROUP_LIMIT: Final = 4_096
"""Events of one group."""

Write = Callable[[Sequence[UsageEvent]], object]
"""Makes events durable, or raises UnavailableError and leaves none of them; called by one thread."""


class Commit(NamedTuple):
    """How a commit went."""

    events: int
    seconds: float
    failure: UnavailableError | None


class Receipt(Signal):
    """What becomes of an event: the signal is set once that is known."""

    __slots__ = ("event", "failure", "loop")

    def __init__(self, event: UsageEvent | None, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; a probe has no event."""
        super().__init__()
        self.event, self.loop = event, loop
        self.failure: UnavailableError | None = None
        """Why it is nowhere."""

    async def durable(self) -> None:
        """Return once the event is durable.

        Raises:
            UnavailableError: it could not be written; then it is nowhere.
        """
        await self
        if self.failure is not None:
            raise self.failure


class GroupCommit:
    """Hands the events of one event loop to a writer, group after group."""

    def __init__(
        self,
        write: Write,
        clock: Clock,
        told: Callable[[Commit], None] = lambda _: None,
        pause_s: float = 0.0,
    ) -> None:
        """Start the thread.

        Args:
            write: makes a group durable.
            clock: measures commits.
            told: called in the loop of the callers after each commit.
            pause_s: seconds between two groups; above 0 nobody waits for them, and that much can be lost (``async``).
        """
        self._write, self._clock, self._told, self._pause_s = write, clock, told, pause_s
        self._queue: queue.SimpleQueue[list[Receipt] | None] = queue.SimpleQueue()
        self._coming: list[Receipt] = []
        """Of this turn of the event loop: the writer is woken once for all of them."""
        self._closing = threading.Event()
        self.failed = False
        """The last commit failed."""
        self._thread = threading.Thread(target=self._run, name="usage-commit")
        self._thread.start()

    def begin(self, event: UsageEvent | None) -> Receipt:
        """Take an event to be written; its receipt tells when it is durable, at once when commits are asynchronous.

        None stands for no event.
        """
        receipt = Receipt(event, asyncio.get_running_loop())
        receipt.is_set = bool(self._pause_s and event is not None)
        if not self._coming:
            receipt.loop.call_soon(self._hand_over)
        self._coming.append(receipt)
        return receipt

    async def append(self, event: UsageEvent) -> None:
        """Return once the event is durable; at once when commits are asynchronous.

        Raises:
            UnavailableError: it could not be written; then it is nowhere.
        """
        await self.begin(event).durable()

    async def probe(self) -> None:
        """Commit nothing, to see whether that works again: one attempt after a failure.

        Raises:
            UnavailableError: it does not.
        """
        await self.begin(None).durable()

    def close(self) -> None:
        """Write what waits, then end the thread."""
        self._closing.set()
        self._hand_over()
        self._queue.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        if self._coming:
            self._queue.put(self._coming)
            self._coming = []

    def _run(self) -> None:
        waiting, ended = list[Receipt](), False
        while not ended or waiting:
            if not waiting:
                first = self._queue.get()
                if first is None:
                    return
                waiting = first
                if self._pause_s:
                    self._closing.wait(self._pause_s)
            while len(waiting) < GROUP_LIMIT and not self._queue.empty() and not ended:
                following = self._queue.get()
                ended = following is None
                waiting += following or ()
            self._commit(waiting[:GROUP_LIMIT])
            waiting = waiting[GROUP_LIMIT:]

    def _commit(self, group: Sequence[Receipt]) -> None:
        events = [receipt.event for receipt in group if receipt.event is not None]
        begun_ns = self._clock.monotonic_ns()
        failure: UnavailableError | None = None
        try:
            self._write(events)
        except UnavailableError as error:
            failure = error
        self.failed = failure is not None
        commit = Commit(len(events), (self._clock.monotonic_ns() - begun_ns) / NANOSECONDS, failure)
        if not group[0].loop.is_closed():
            group[0].loop.call_soon_threadsafe(self._settle, group, commit)

    def _settle(self, group: Sequence[Receipt], commit: Commit) -> None:
        self._told(commit)
        for receipt in group:
            if not receipt.is_set:
                receipt.failure = commit.failure
                receipt.set()
