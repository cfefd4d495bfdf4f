"""A request's way, run by hand: at once, as far as nothing has to be waited for (GW-501, GW-504).

Most requests find everything at hand: the key is remembered, the quota is in memory, a connection to the target idles. A task would
cost such a request a turn of the event loop before its first step and another one at each wake-up. So a ``Way`` drives its coroutine
itself, in the turn in which the request's bytes came; where the way has to wait it stops, and goes on within the call that brings what
it waits for: the upstream's bytes, the disk's receipt. It is written as any coroutine is and read from top to bottom.

A coroutine waits for a ``Signal``, for a future, or, after ``in_task``, for anything that asyncio has. Whoever cancels a way, as
asyncio cancels tasks, makes it a task first; so does ``in_task``. From then on asyncio drives it, with the same meaning.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, Protocol

Steps = Coroutine[Any, Any, None]
"""What a way runs."""


class Waiter(Protocol):
    """Who waits for a signal without a task."""

    def go_on(self) -> None:
        """Go on: it has come."""
        ...


class Signal:
    """Something that comes once. One way or one task may wait for it, without a timer and without a turn of the loop."""

    __slots__ = ("_waiting", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        """It has come."""
        self._waiting: Waiter | asyncio.Future[None] | None = None

    def set(self) -> None:
        """Let it come; a way that waits goes on within this call, so it belongs at the end of the caller's own steps."""
        self.is_set = True
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if not isinstance(waiting, asyncio.Future):
            waiting.go_on()
        elif not waiting.done():
            waiting.set_result(None)

    def tell(self, waiter: Waiter) -> None:
        """Let a waiter go on once it comes, which it has not yet; whoever waited before waits no more."""
        self._waiting = waiter

    def __await__(self) -> Generator[Any, None, None]:
        """Wait for it."""
        if self.is_set:
            return
        if _now.way is not None:
            self._waiting = _now.way
            yield self
        else:
            yield from self.future()

    def future(self) -> "asyncio.Future[None]":
        """Return a future that is done once it has come; whoever waited before waits no more."""
        self._waiting = future = asyncio.get_running_loop().create_future()
        return future


class Way:
    """A coroutine that is driven by hand until somebody needs a task."""

    __slots__ = ("_awaited", "_is_cancelled", "_on_end", "_runs", "_steps", "_task", "is_over")

    def __init__(self, steps: Steps, on_end: Callable[["Way"], object]) -> None:
        """Prepare; ``go_on`` begins.

        Args:
            steps: the coroutine.
            on_end: told of the end, however it came.
        """
        self._steps, self._on_end = steps, on_end
        self._task: asyncio.Task[None] | None = None
        self._awaited: Any = None
        self._runs = self._is_cancelled = False
        self.is_over = False
        """It has ended."""

    def go_on(self, _: object = None) -> None:
        """Run up to where something has to be waited for; what escapes is a bug and is told to the loop's handler.

        A wake-up that was on its way when the way became a task does nothing: the task waits for the same.
        """
        if self._task is not None:
            return
        before, _now.way, self._runs = _now.way, self, True
        try:
            awaited = self._steps.send(None)
        except (StopIteration, asyncio.CancelledError):
            self._end()
        except Exception as error:  # noqa: BLE001 - the top of a way: told as asyncio tells of a task's
            self._end()
            context = {"message": "a request's way failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        else:
            self._wait(awaited)
        finally:
            _now.way, self._runs = before, False
        if self._is_cancelled:
            self._is_cancelled = False
            self.cancel()

    def task(self) -> "asyncio.Task[None]":
        """Return the way as a task; from here on asyncio drives it."""
        if self._task is None:
            awaited, self._awaited = self._awaited, None
            if isinstance(awaited, Signal):
                awaited = awaited.future()
            elif awaited is not None:
                awaited.remove_done_callback(self.go_on)
            carried = _carried(self._steps, awaited)
            carried.send(None)  # within its first step, so that a cancellation reaches the way's own steps
            self._task = asyncio.get_running_loop().create_task(carried)
            self._task.add_done_callback(lambda _: self._end())
        return self._task

    def cancel(self, msg: object = None) -> None:
        """Cancel as asyncio does: the exception comes where the way waits."""
        if self.is_over:
            return
        if self._runs:
            self._is_cancelled = True
        else:
            self.task().cancel(msg)

    def uncancel(self) -> None:
        """Take one cancellation back."""
        if self._task is not None:
            self._task.uncancel()

    def _wait(self, awaited: Any) -> None:
        """Take what the coroutine waits for; nothing means that it asks for a task."""
        self._awaited = awaited
        if awaited is None:
            self.task()
        elif not isinstance(awaited, Signal):
            awaited._asyncio_future_blocking = False  # noqa: SLF001 - what a task does with a future that it is handed
            awaited.add_done_callback(self.go_on)

    def _end(self) -> None:
        self.is_over, self._awaited = True, None
        self._on_end(self)


class _Now:
    """What runs by hand just now; no attribute of a class, because CPython forgets what it knows of one that changes."""

    __slots__ = ("way",)

    def __init__(self) -> None:
        self.way: Way | None = None


_now: Final = _Now()


class _Handed:
    """Hands something to whoever drives the coroutine."""

    def __init__(self, awaited: Any) -> None:
        self._awaited = awaited

    def __await__(self) -> Generator[Any, None, None]:
        yield self._awaited


async def in_task() -> None:
    """Go on as a task: for what asks which one is running, as timeouts and other applications do."""
    if _now.way is not None:
        await _Handed(None)


async def _carried(steps: Steps, first: "asyncio.Future[Any] | None") -> None:
    """Go on with steps that were driven by hand, after what they wait for.

    Args:
        steps: the coroutine, suspended.
        first: what it waits for; None when it asked for a task.
    """
    awaited: Any = None
    try:
        while True:
            try:
                await _Handed(awaited)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the coroutine's
                awaited = steps.throw(error)
            else:
                awaited = first if first is not None else steps.send(None)
                if first is not None:
                    first._asyncio_future_blocking = True  # noqa: SLF001 - as its own ``await`` does
            first = None
    except StopIteration:
        return
