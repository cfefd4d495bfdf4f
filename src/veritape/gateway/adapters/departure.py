"""How a connection tells the request in progress that nobody waits for it any more: its client left, or its bytes are no request.

The connection puts a ``Departure`` into the ASGI scope. A task is cancelled only where it says so, so that a charge is never cut
in half: elsewhere it looks, once its present step is done.
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final, Protocol

KEY: Final = "veritape.departure"
"""Where it stands in the scope."""


class ClientLeftError(Exception):
    """The client closed the connection before its answer was complete."""


class Cancellable(Protocol):
    """A task, or a way that becomes one when it is cancelled."""

    def cancel(self, msg: Any = None) -> Any:
        """Raise ``CancelledError`` where it waits."""
        ...

    def uncancel(self) -> Any:
        """Take one cancellation back."""
        ...


class Departure:
    """Why one request ends early, once it does."""

    __slots__ = ("cause", "owner", "task")

    def __init__(self) -> None:
        self.cause: Exception | None = None
        """``ClientLeftError``, or the refusal of the bytes; None while the request goes on."""
        self.task: Cancellable | None = None
        """What the cause cancels; None where nothing may be cancelled."""
        self.owner: Cancellable | None = None
        """What runs the request, if that is known; else the present task does."""

    def end(self, cause: Exception) -> None:
        """Note the cause, the first one only, and cancel the task if it may be cancelled now."""
        if self.cause is None:
            self.cause = cause
            if self.task is not None:
                self.task.cancel()

    def check(self) -> None:
        """Raise the cause, if there is one.

        Raises:
            ClientLeftError: the client left.
            RefusedError: its bytes were refused.
        """
        if self.cause is not None:
            raise self.cause

    def cancellable(self) -> "_Cancellable":
        """Let the present task be cancelled, from here to the end of a block.

        Raises:
            ClientLeftError: the client left, before or meanwhile.
            RefusedError: its bytes were refused, before or meanwhile.
        """
        return _Cancellable(self)


class _Cancellable:
    """A block in which a departure cancels its task."""

    __slots__ = ("_departure", "_task")

    def __init__(self, departure: Departure) -> None:
        self._departure = departure
        self._task: Cancellable | None = None

    def __enter__(self) -> None:
        self._departure.check()
        self._departure.task = self._task = self._departure.owner or asyncio.current_task()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._departure.task = None
        cause = self._departure.cause
        if cause is None or not isinstance(error, asyncio.CancelledError | ClientLeftError):
            return
        if self._task is not None and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()
        raise cause from None


def departure_of(scope: MutableMapping[str, Any]) -> Departure:
    """Return the departure of a request; a server that knows none gives one that never happens."""
    found: Departure = scope.setdefault(KEY, Departure())
    return found
