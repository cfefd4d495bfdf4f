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
    CALENDAR_DIFFERS = "calendar_differs"
    """Authorities disagree about a day; ``day``, ``decides``, and what ``override``, ``broker`` and ``exchange`` say."""
    CALENDAR_REFUSED = "calendar_refused"
    """The override file was edited and is wrong now: its old rows hold; ``problem``."""
    BROKER_CALENDAR_MISSING = "broker_calendar_missing"
    """The broker's holiday call brought nothing, and is not repeated on this date; ``day``, ``answer``."""
    TOKEN_ISSUED = "token_issued"  # noqa: S105 - an event
    """The broker issued a token; ``renewed`` (not the one held before), ``life_s``."""
    TOKEN_EXPIRY_DIFFERS = "token_expiry_differs"  # noqa: S105 - an event
    """The two statements of a token's expiry disagree by over two minutes: the earlier holds; ``life_s``."""
    TOKEN_NOT_RENEWED = "token_not_renewed"  # noqa: S105 - an event
    """The broker returned the very token that it refuses; ``life_s``."""
    TOKEN_ISSUE_FAILED = "token_issue_failed"  # noqa: S105 - an event
    """An issue failed: a refresh, or the third in a row and later; ``code``, ``failures``."""
    TOKEN_UNENCRYPTED = "token_unencrypted"  # noqa: S105 - an event
    """Without ``token.key_file`` the token lies in a file that its owner can read; ``account``."""
    BACKUP_MADE = "backup_made"
    """A target has every day that is over; ``target``, ``days``, ``new_objects``, ``new_bytes``."""
    BACKUP_FAILED = "backup_failed"
    """It has not, and is tried again; ``reason``, ``error``, ``failures``."""
    BACKUP_ON_SAME_DISK = "backup_on_same_disk"
    """Every target lies on the disk of the data itself; ``targets``."""
    DRILL_PASSED = "drill_passed"
    """A day was restored and says what it said; ``day``, ``files``, ``lines``."""
    DRILL_FAILED = "drill_failed"
    """It does not; ``reason``, ``error``, ``differences``."""
    RETENTION_DELETED = "retention_deleted"
    """A file that is backed up was deleted; ``path``, ``bytes``, ``blake3``, ``manifest``."""
    RETENTION_BLOCKED = "retention_blocked"
    """Files should long be gone and are not backed up; ``files``, ``oldest``."""
    DISK_FILLING = "disk_filling"
    """The disk of the data is 80 % full or more; ``deleted``."""
    UNIVERSE_IN_FORCE = "universe_in_force"
    """The day's symbols are written; ``day``, ``count``, ``created``, ``deleted``, ``provenance``."""
    UNIVERSE_REFUSED = "universe_refused"
    """An attempt at the day's symbols failed: the files or their list are not used; ``day``, ``reason``, ``problem``."""
