"""Group commit: whatever came while the last group was being written goes into the next one together (GW-661, GW-662).

One thread writes, and the event loop hands it the next group once it knows of the last one's end. So the thread asks for the
interpreter lock as rarely as can be: once to begin and once when the disk has answered. Each time it waits for that lock, the
loop wakes it at the end of every callback, mostly in vain. The number of events behind one commit grows with the load, and no
timer delays a lone one: an event waits for the commit that runs and for its own.
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

    __slots__ = ("event", "failure")

    def __init__(self, event: UsageEvent | None) -> None:
        """Begin; a probe has no event."""
        self.is_set, self._waiting = False, None  # as a signal's own: one call less for each charge
        self.event = event
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


_Handed = tuple[asyncio.AbstractEventLoop, Sequence[Receipt]]
"""A group, and the loop that waits for it."""


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
            pause_s: seconds before each group; above 0 nobody waits for it, and that much can be lost (``async``).
        """
        self._write, self._clock, self._told, self._pause_s = write, clock, told, pause_s
        self._queue: queue.SimpleQueue[_Handed | None] = queue.SimpleQueue()
        self._coming: list[Receipt] = []
        """What the next group is made of."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """Of the callers; None while no group is on its way: then the first event of one brings it about."""
        self.failed = False
        """The last commit failed."""
        self._thread = threading.Thread(target=self._run, name="usage-commit")
        self._thread.start()

    def begin(self, event: UsageEvent | None) -> Receipt:
        """Take an event to be written; its receipt tells when it is durable, at once when commits are asynchronous.

        None stands for no event.
        """
        receipt = Receipt(event)
        self._coming.append(receipt)
        if self._loop is None or self._loop.is_closed():
            self._expect(asyncio.get_running_loop())
        if self._pause_s and event is not None:
            receipt.is_set = True
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
        while self._coming:
            self._hand_over()
        self._queue.put(None)
        self._thread.join()

    def _expect(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let a group begin with what comes up to the end of this turn of the loop, or of the pause."""
        self._loop = loop
        if self._pause_s:
            loop.call_later(self._pause_s, self._hand_over)
        else:
            loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        """Give the thread a group, unless closing has done so."""
        group, self._coming = self._coming[:GROUP_LIMIT], self._coming[GROUP_LIMIT:]
        if group and self._loop is not None:
            self._queue.put((self._loop, group))

    def _run(self) -> None:
        while (handed := self._queue.get()) is not None:
            self._commit(*handed)

    def _commit(self, loop: asyncio.AbstractEventLoop, group: Sequence[Receipt]) -> None:
        events = [receipt.event for receipt in group if receipt.event is not None]
        begun_ns = self._clock.monotonic_ns()
        failure: UnavailableError | None = None
        try:
            self._write(events)
        except UnavailableError as error:
            failure = error
        self.failed = failure is not None
        commit = Commit(len(events), (self._clock.monotonic_ns() - begun_ns) / NANOSECONDS, failure)
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._settle, group, commit)

    def _settle(self, group: Sequence[Receipt], commit: Commit) -> None:
        loop, self._loop = self._loop, None
        if self._coming and loop is not None:
            self._expect(loop)
        self._told(commit)
        for receipt in group:
            if not receipt.is_set:
                receipt.failure = commit.failure
                receipt.set()
