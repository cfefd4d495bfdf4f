"""Events of the replayed broker's log: the fixed texts of ``event`` (TL-610)."""

from enum import StrEnum


class LogEvent(StrEnum):
    """What a record of the replayed broker's log tells."""

    PROCESS_STARTED = "process_started"
    """Every door is open; ``rest_port``, ``websocket_port``, ``faults``, ``seed``."""
    DAY_BEGUN = "day_begun"
    """A day's trades are loaded and wait to be played; ``day``."""
    MINUTE_PLAYED = "minute_played"
    """A minute of the tape went by; ``day``, ``tape_time``, ``frames_sent`` since the start."""
    DAY_ENDED = "day_ended"
    """The tape of the day is at its end, the broker still answers; ``day``, ``frames_sent``."""
    PROXY_REFUSED = "proxy_refused"
    """The proxy turned a connection away; ``reason``."""
    PROCESS_STOPPED = "process_stopped"
    """Every listener is closed; ``frames_sent``."""
