"""Is the recorder able to do its work now (OB-411): facts in, problems out.

A check that is not due, as the socket at night, does not fail.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veritape.kernel.clock import NANOSECONDS

CLOCK_NS: Final = 2 * NANOSECONDS
"""Most that our clock may differ from the broker's; its stamps have whole seconds."""

UNSYNCED_NS: Final = 15 * NANOSECONDS
"""Longest that neither a block nor a probe may become durable before the journal counts as not writable (TL-720)."""

UNANSWERED_NS: Final = 60 * NANOSECONDS
"""Longest that the broker may say nothing while calls wait."""

DISK_SHARE: Final = 20
"""One part in so many of the disk must be free: five per cent."""


class Check(StrEnum):
    """What must hold before a session and in it; the names are those of every part's family (TL-720)."""

    JOURNAL_WRITABLE = "journal_writable"
    """A block, or a probe of an idle disk, became durable in the last 15 s."""
    DISK_SPACE = "disk_space"
    """More than ``journal.kept_bytes`` and 5 % of the disk are free."""
    CLOCK = "clock"
    """Our clock is within two seconds of the broker's Date."""

    UNIVERSE_IN_FORCE = "universe_in_force"
    """The day has a list of symbols."""
    TOKEN_VALID = "token_valid"  # noqa: S105 - a check
    """There is an access token that lives."""
    BROKER_REACHABLE = "broker_reachable"
    """The broker answered one price before the open, and anything within a minute while calls wait."""
    WEBSOCKET = "websocket"
    """The connection is up and something of what is wanted is registered."""


@dataclass(frozen=True)
class Facts:
    """What is measured."""

    is_due: bool
    """Whether a session is open or about to."""
    has_universe: bool
    """Of today."""
    token_left_ns: int | None
    """Remaining life, None without a token."""
    quote_answered: bool | None
    """None before it was asked."""
    unanswered_ns: int
    """Since the broker's last answer while calls wait, else 0."""
    is_connected: bool
    """The socket, with its slots."""
    unsynced_ns: int
    """Since a block or a probe was last durable."""
    disk_free_bytes: int
    disk_bytes: int
    disk_kept_bytes: int
    """What only the journal may use: below it the recorder cannot seal a day."""
    clock_offset_ns: int | None
    """Ours less the broker's; None while it sent no Date."""


def problems(facts: Facts) -> tuple[Check, ...]:
    """Return the checks that fail."""
    idle = not facts.is_due
    passed = {
        Check.UNIVERSE_IN_FORCE: idle or facts.has_universe,
        Check.TOKEN_VALID: idle or (facts.token_left_ns is not None and facts.token_left_ns > 0),
        Check.BROKER_REACHABLE: facts.unanswered_ns < UNANSWERED_NS
        and (idle or facts.quote_answered is not False),
        Check.WEBSOCKET: idle or facts.is_connected,
        Check.JOURNAL_WRITABLE: facts.unsynced_ns < UNSYNCED_NS,
        Check.DISK_SPACE: facts.disk_free_bytes > max(facts.disk_kept_bytes, facts.disk_bytes // DISK_SHARE),
        Check.CLOCK: facts.clock_offset_ns is None or abs(facts.clock_offset_ns) <= CLOCK_NS,
    }
    return tuple(check for check in Check if not passed[check])
