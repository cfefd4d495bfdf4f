"""How a connection tells the request in progress that nobody waits for it any more: its client left, or its bytes are no request.

The connection puts a ``Departure`` into the ASGI scope. A task is cancelled only where it says so, so that a charge is never cut
in half: elsewhere it looks, once its present step is done.
"""

import asyncio
import contextlib
from collections.abc import Iterator, MutableMapping
from typing import Any, Final

KEY: Final = "veritape.departure"
"""Where it stands in the scope."""


class ClientLeftError(Exception):
    """The client closed the connection before its answer was complete."""


class Departure:
    """Why one request ends early, once it does."""

    def __init__(self) -> None:
        self.cause: Exception | None = None
        """``ClientLeftError``, or the refusal of the bytes; None while the request goes on."""
        self._task: asyncio.Task[Any] | None = None

    def end(self, cause: Exception) -> None:
        """Note the cause, the first one only, and cancel the task if it may be cancelled now."""
        if self.cause is None:
            self.cause = cause
            if self._task is not None:
                self._task.cancel()

    def check(self) -> None:
        """Raise the cause, if there is one.

        Raises:
            ClientLeftError: the client left.
            RefusedError: its bytes were refused.
        """
        if self.cause is not None:
            raise self.cause

    @contextlib.contextmanager
    def cancellable(self) -> Iterator[None]:
        """Let the present task be cancelled, from here to the end.

        Raises:
            ClientLeftError: the client left, before or meanwhile.
            RefusedError: its bytes were refused, before or meanwhile.
        """
        self.check()
        self._task = task = asyncio.current_task()
        try:
            yield
        except (asyncio.CancelledError, ClientLeftError) as error:
            if self.cause is None:
                raise
            if task is not None and isinstance(error, asyncio.CancelledError):
                task.uncancel()
            raise self.cause from None
        finally:
            self._task = None


def departure_of(scope: MutableMapping[str, Any]) -> Departure:
    """Return the departure of a request; a server that knows none gives one that never happens."""
    found: Departure = scope.setdefault(KEY, Departure())
    return found
