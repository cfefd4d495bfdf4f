"""Events of the recorder's log: the fixed texts of ``event`` (TL-610)."""

from enum import StrEnum


class LogEvent(StrEnum):
    """What a record of the recorder's log tells."""

    PROCESS_STARTED = "process_started"
    """The recorder holds its account's lock; ``account``, ``venue``."""
    JOURNAL_RECOVERED = "journal_recovered"
    """A file of the last run was closed; ``file``, ``frames``, ``cut_bytes``, ``damaged_ranges``."""
    CONTROL_REBUILT = "control_rebuilt"
    """control.db was corrupt and was built again from seals and journal; ``moved_to``."""
    DAY_BEGUN = "day_begun"
    """A session prepares; ``day``, ``open_s``, ``close_s``."""
    DAY_ENDED = "day_ended"
    """It is sealed and audited; ``day``, ``closed``, ``recorded_trades``, ``residual_trades``."""
    PROCESS_STOPPED = "process_stopped"
    """Everything is durable; ``durable_frames``."""
    PERMITS_RESET = "permits_reset"
    """The file of the limiter's permits was begun anew; ``cause``."""
