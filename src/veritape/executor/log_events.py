"""Events of the executor's log: the fixed texts of ``event``, and how loud each is (TL-610, TL-620)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Protocol


class LogEvent(StrEnum):
    """What a record of the executor's log tells."""

    PROCESS_STARTED = "process_started"
    """It looks for work; ``pool``, ``preset``."""
    PARALLEL_CHOSEN = "parallel_chosen"
    """A batch was measured both ways on this machine; ``workers``, ``threads`` of the faster, ``one_worker_s``, ``all_workers_s``, ``measured_now``."""
    RECEIPT_MADE = "receipt_made"
    """A guest ran over a sealed tape, executed and not proven; ``program``, ``tape``, ``cycles``, ``result``, ``kind``, ``cached``."""
    TAPE_FAILED = "tape_failed"
    """A guest has no receipt over a sealed tape; ``program``, ``tape``, ``reason`` where there is one, ``problem``."""
    RECEIPTS_DELETED = "receipts_deleted"
    """Receipts were older than ``receipts.retention_days``; ``receipts``, ``before`` the first day that is kept."""
    RECEIPTS_KEPT = "receipts_kept"
    """They could not be deleted; ``before``, ``problem``."""
    ENTRY_REFUSED = "entry_refused"
    """An entry of the cache was forged, damaged or foreign: deleted and taken as a miss; ``layer``, ``reason``, ``problem``."""
    AGGREGATION_DECIDED = "aggregation_decided"
    """How the claims of a batch would become one proof; ``count``, ``label``, ``levels``, ``mode``, ``why``, ``candidates``, ``context``."""
    AGGREGATION_INFEASIBLE = "aggregation_infeasible"
    """By measured costs no plan fits; the batch's receipts count all the same; ``count``, ``why`` with the constraint that binds."""
    MEMORY_UNDERESTIMATED = "memory_underestimated"
    """A worker took more than was predicted for its job; ``peak_bytes``, ``predicted_bytes``."""
    WORKER_LOST = "worker_lost"
    """A worker died; its items are tried once more, each alone; ``items``."""
    WORKERS_KILLED = "workers_killed"
    """Workers did not stop within the grace; ``jobs``."""
    PROCESS_STOPPED = "process_stopped"
    """Its workers are gone."""


LEVELS: Final[Mapping[LogEvent, str]] = {
    LogEvent.PROCESS_STARTED: "info",
    LogEvent.PARALLEL_CHOSEN: "info",
    LogEvent.RECEIPT_MADE: "info",
    LogEvent.TAPE_FAILED: "error",
    LogEvent.RECEIPTS_DELETED: "info",
    LogEvent.RECEIPTS_KEPT: "warning",
    LogEvent.ENTRY_REFUSED: "warning",
    LogEvent.AGGREGATION_DECIDED: "info",
    LogEvent.AGGREGATION_INFEASIBLE: "warning",
    LogEvent.MEMORY_UNDERESTIMATED: "warning",
    LogEvent.WORKER_LOST: "warning",
    LogEvent.WORKERS_KILLED: "warning",
    LogEvent.PROCESS_STOPPED: "info",
}
"""Level of each event: lost work is an error, what was refused or tried again a warning."""


class Note(Protocol):
    """Takes what happened: a service logs it, a command says it in a line."""

    def __call__(self, event: LogEvent, /, **fields: object) -> None:
        """Take one event with its fields."""
        ...


def note_nothing(event: LogEvent, /, **fields: object) -> None:
    """Drop an event."""
    del event, fields
