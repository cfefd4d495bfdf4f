"""Is the recorder able to do its work now (OB-411): facts in, problems out.

A check that is not due, as the socket at night, does not fail.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veritape.kernel.clock import NANOSECONDS

CLOCK_NS: Final = 2 * NANOSECONDS
"""Most that our clock may differ from the broker's; its stamps have whole seconds."""

DISK_BYTES: Final = 1 << 30
"""Least free space."""

DISK_SHARE: Final = 20
"""One part in so many of the disk must be free: five per cent."""


class Check(StrEnum):
    """What must hold before a session and in it."""

    UNIVERSE_IN_FORCE = "universe_in_force"
    """The day has a list of symbols."""
    TOKEN_VALID = "token_valid"  # noqa: S105 - a check
    """There is an access token that lives."""
    QUOTE_ANSWERED = "quote_answered"
    """The broker answered one price before the open."""
    WEBSOCKET = "websocket"
    """The connection is up and its slots are registered."""
    DISK_SPACE = "disk_space"
    """More than 1 GiB and 5 % of the disk are free."""
    CLOCK = "clock"
    """Our clock is within two seconds of the broker's Date."""


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
    is_connected: bool
    """The socket."""
    disk_free_bytes: int
    disk_bytes: int
    clock_offset_ns: int | None
    """Ours less the broker's; None while it sent no Date."""


def problems(facts: Facts) -> tuple[Check, ...]:
    """Return the checks that fail."""
    idle = not facts.is_due
    passed = {
        Check.UNIVERSE_IN_FORCE: idle or facts.has_universe,
        Check.TOKEN_VALID: idle or (facts.token_left_ns is not None and facts.token_left_ns > 0),
        Check.QUOTE_ANSWERED: idle or facts.quote_answered is not False,
        Check.WEBSOCKET: idle or facts.is_connected,
        Check.DISK_SPACE: facts.disk_free_bytes > max(DISK_BYTES, facts.disk_bytes // DISK_SHARE),
        Check.CLOCK: facts.clock_offset_ns is None or abs(facts.clock_offset_ns) <= CLOCK_NS,
    }
    return tuple(check for check in Check if not passed[check])
