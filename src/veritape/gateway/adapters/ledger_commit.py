"""``usage.commit = "ledger"``: charges go to the database first, for machines whose disk goes with the container (GW-661).

The database has 100 ms. After that, or when it refuses, the events go to the outbox file: should the database have taken
them all the same, the drainer's copy changes nothing.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from veritape.gateway.usage import UsageEvent
from veritape.kernel.errors import UnavailableError

DEADLINE_S: Final = 0.1
"""How long a commit waits for the database."""


class LedgerFirst:
    """Writes to the ledger, or else to the outbox."""

    def __init__(
        self,
        ledger: Callable[[Sequence[UsageEvent]], object],
        outbox: Callable[[Sequence[UsageEvent]], object],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._ledger, self._outbox, self._deadline_s = ledger, outbox, deadline_s
        self._thread = ThreadPoolExecutor(1, "usage-ledger")
        self._begun: Future[object] | None = None

    def write(self, events: Sequence[UsageEvent]) -> None:
        """Return once the events are durable in one of the two.

        Raises:
            UnavailableError: neither could be written.
        """
        if self._begun is None or self._begun.done():
            self._begun = self._thread.submit(self._ledger, events)
            try:
                self._begun.result(self._deadline_s)
            except (TimeoutError, UnavailableError):
                pass
            else:
                return
        self._outbox(events)

    def close(self) -> None:
        """Wait for a write that is under way."""
        self._thread.shutdown()
