"""Group commit: whatever came while the last group was being written goes into the next one together (GW-661, GW-662).

One thread writes. The number of events behind one ``fdatasync`` grows with the load, and no timer delays a lone one: an
event waits for the commit that runs and for its own.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

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


class _Waiting(NamedTuple):
    event: UsageEvent | None
    """None of a probe."""
    written: asyncio.Future[None] | None
    """None when nobody waits."""
    loop: asyncio.AbstractEventLoop


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
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self.failed = False
        """The last commit failed."""
        self._thread = threading.Thread(target=self._run, name="usage-commit")
        self._thread.start()

    async def append(self, event: UsageEvent) -> None:
        """Return once the event is durable; at once when commits are asynchronous.

        Raises:
            UnavailableError: it could not be written; then it is nowhere.
        """
        loop = asyncio.get_running_loop()
        if self._pause_s:
            self._queue.put(_Waiting(event, None, loop))
            return
        written = loop.create_future()
        self._queue.put(_Waiting(event, written, loop))
        await written

    async def probe(self) -> None:
        """Commit nothing, to see whether that works again: one attempt after a failure.

        Raises:
            UnavailableError: it does not.
        """
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        self._queue.put(_Waiting(None, written, loop))
        await written

    def close(self) -> None:
        """Write what waits, then end the thread."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            if self._pause_s:
                self._closing.wait(self._pause_s)
            group, ended = [first], False
            while len(group) < GROUP_LIMIT and not self._queue.empty() and not ended:
                following = self._queue.get()
                if following is None:
                    ended = True
                else:
                    group.append(following)
            self._commit(group)
            if ended:
                return

    def _commit(self, group: Sequence[_Waiting]) -> None:
        events = [waiting.event for waiting in group if waiting.event is not None]
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

    def _settle(self, group: Sequence[_Waiting], commit: Commit) -> None:
        self._told(commit)
        for waiting in group:
            written = waiting.written
            if written is None or written.done():
                continue
            if commit.failure is None:
                written.set_result(None)
            else:
                written.set_exception(commit.failure)
