"""What the key store needs of a database, whichever it is: the statements are the same for all (GW-404)."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
"""What is answered."""


class KeyDatabase(Protocol):
    """Accounts, keys, revoked tokens and the log of their changes.

    A ``?`` in a statement stands for a value. Every method raises UnavailableError when the database does not answer.
    """

    @property
    def thread(self) -> Executor | None:
        """Return where calls wait for a database elsewhere; None: it answers at once, also on an event loop."""
        ...

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        ...

    def change(self, statement: str, *values: object) -> int:
        """Change rows; return how many."""
        ...

    def change_all(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        """Change rows once for each tuple of values."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Do what follows wholly or not at all, and after every transaction of others that began before it."""
        ...

    def close(self) -> None:
        """Let the database go."""
        ...


def is_storable(value: object) -> bool:
    """Tell whether a text can be in a database at all: a NUL or half a character pair cannot."""
    if not isinstance(value, str):
        return True
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


async def beside(thread: Executor | None, ask: Callable[[], T]) -> T:
    """Ask in a thread, so that the event loop goes on; at once when there is none."""
    if thread is None:
        return ask()
    return await asyncio.get_running_loop().run_in_executor(thread, ask)
