"""When the events of a month may go, and what keeps them from being counted twice afterwards (GW-684).

Months go whole: one that is gone in part could neither be reconciled nor invoiced. What they add up to stays for ever, by
subject for reconciliation and by account, with the digest over the events, for invoices.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from veritape.gateway.quota import MICROSECONDS, month_of
from veritape.gateway.usage import UsageEvent

DAY_US: Final = 86_400 * MICROSECONDS
"""Microseconds."""


def kept_since(wall_us: int, days: int) -> int:
    """Return the moment since which events stay, microseconds UTC."""
    return wall_us - days * DAY_US


def due(months: Iterable[str], wall_us: int, days: int) -> list[str]:
    """Return the months that ended before the days that stay, oldest first."""
    oldest = month_of(kept_since(wall_us, days)).period
    return sorted(period for period in months if period < oldest)


def unwritten(
    events: Sequence[UsageEvent], retired: Collection[str], mark_of: Callable[[bytes], int]
) -> Sequence[UsageEvent]:
    """Leave out events that were in the ledger before their month was retired: the ledger cannot know them any more.

    Args:
        events: as they are to be written, perhaps not for the first time.
        retired: months whose events are gone.
        mark_of: last sequence that is known to be written of a boot, 0 for none.
    """
    if not retired or not any(event.period in retired for event in events):
        return events
    marks = {boot: mark_of(boot) for boot in {event.boot for event in events if event.period in retired}}
    return [event for event in events if event.period not in retired or event.seq > marks[event.boot]]
