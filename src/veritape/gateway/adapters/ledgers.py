"""What the gateway needs of a usage ledger, whichever database keeps it (GW-652)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from veritape.gateway.billing import AccountUsage
from veritape.gateway.memory_store import Charge
from veritape.gateway.reconciliation import Share
from veritape.gateway.usage import UsageEvent


class LedgerReader(Protocol):
    """The figures of a ledger. Every method raises UnavailableError when it cannot be read."""

    def month_sums(self, period: str) -> dict[str, int]:
        """Return subject -> mu used in a month, at least 0."""
        ...

    def charges_since(self, since_us: int) -> dict[str, list[Charge]]:
        """Return subject -> units charged in each second since a moment."""
        ...

    def shares(self, period: str, subject: str | None = None) -> dict[Share, int]:
        """Return the mu of every boot, of one subject or of all, as they are at one moment."""
        ...

    def broken_sums(self, period: str) -> Mapping[str, tuple[int, int]]:
        """Return subject -> (mu of its months, mu of its events) where the two differ."""
        ...

    def close(self) -> None:
        """Let the database go."""
        ...


class UsageLedger(LedgerReader, Protocol):
    """A ledger that is written. Every method raises UnavailableError when it cannot be."""

    def write(self, events: Sequence[UsageEvent]) -> int:
        """Write events, their months and their boots' marks in one durable transaction; return how many were new."""
        ...

    def rows(self, query: str, values: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
        """Return the rows of a query that every database understands; ``?`` stands for a value."""
        ...

    def retire(self, period: str, kept: Sequence[AccountUsage]) -> int:
        """Delete the events of a month, in one transaction with what stays of them; return how many.

        Nothing is deleted, and 0 returned, when the month was retired already or has other events than those that were
        added up.

        Args:
            period: the month.
            kept: what the single events of each account add up to.
        """
        ...

    def close_boot(self, boot: bytes) -> None:
        """Note that a boot writes no more."""
        ...
