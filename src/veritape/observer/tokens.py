"""Life of the access token: when to use, issue, refresh, wait (OB-401 to 407).

A token is valid for 24 hours, each issue sends the customer a message, and only one issue a minute is allowed. So a token
is never issued because a process started, a refused attempt waits 61 seconds from the *attempt*, and many callers that
fail at once cause one issue.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from veritape.kernel.clock import NANOSECONDS
from veritape.kernel.errors import PeerError
from veritape.observer.reactions import Reaction

MINUTE_NS: Final = 60 * NANOSECONDS
"""Nanoseconds in a minute."""

USABLE_NS: Final = 10 * MINUTE_NS
"""A stored token is used at start if it lives longer than this."""

REFRESH_NS: Final = 60 * MINUTE_NS
"""Remaining life at which a token is refreshed, and the margin behind a session's end."""

COOLING_NS: Final = 61 * NANOSECONDS
"""Wait after an attempt, refused or not."""

ATTEMPT_NS: Final = 10 * MINUTE_NS
"""Least time between two refreshes of a living token."""

BACK_OFF_NS: Final = (COOLING_NS, 2 * MINUTE_NS, 4 * MINUTE_NS, 8 * MINUTE_NS)
"""Waits after failures in a row."""

EXPIRY_DIFFERENCE_NS: Final = 120 * NANOSECONDS
"""Disagreement of the two statements of expiry that is reported."""

KST_NS: Final = 9 * 3600 * NANOSECONDS
"""Seoul's offset from UTC."""


class TokenState(StrEnum):
    """States of the machine."""

    ABSENT = "absent"
    """None is known."""
    ISSUING = "issuing"
    """A call is under way and there is no usable token."""
    COOLING = "cooling"
    """The last attempt failed; waiting."""
    REFUSED = "refused"
    """The credentials are wrong: the account cannot work."""
    VALID = "valid"
    """In use."""
    REFRESHING = "refreshing"
    """In use while a new one is asked for."""


@dataclass(frozen=True)
class Token:
    """An access token; its text is a secret."""

    text: str
    issued_ns: int
    """Wall clock, UTC."""
    expires_ns: int
    """Wall clock, UTC."""

    def __repr__(self) -> str:
        """Hide the text."""
        return f"Token(issued_ns={self.issued_ns}, expires_ns={self.expires_ns})"


class TokenMachine:
    """Decides when to issue; the caller does it and reports."""

    def __init__(self, stored: Token | None, now_ns: int) -> None:
        usable = stored is not None and stored.expires_ns - now_ns > USABLE_NS
        self.token = stored if usable else None
        """What calls present."""
        self.state = TokenState.VALID if usable else TokenState.ABSENT
        self.attempts = 0
        """Issue calls since the start."""
        self.failures = 0
        """Failures in a row."""
        self._attempt_ns: int | None = None
        self._wake_ns = 0
        self._died = False

    def due(self, now_ns: int, session_end_ns: int | None = None) -> bool:
        """Tell whether an issue call is to be made now; the caller then makes exactly one.

        Args:
            now_ns: wall clock.
            session_end_ns: end of today's session once it is half an hour before the open, else None.
        """
        if self.token is not None and self.token.expires_ns <= now_ns:
            self.token, self.state = None, TokenState.ABSENT
        wanted = {
            TokenState.ABSENT: True,
            TokenState.COOLING: now_ns >= self._wake_ns,
            TokenState.VALID: self._refresh_due(now_ns, session_end_ns),
        }.get(self.state, False)
        if not wanted or now_ns < self._wake_ns:
            return False
        self.state = TokenState.REFRESHING if self.token else TokenState.ISSUING
        self._attempt_ns = now_ns
        self.attempts += 1
        return True

    def issued(self, token: Token) -> bool:
        """Take an issued token; return False when the broker returned the one that had died (OB-402)."""
        renewed = self.token is None or token.text != self.token.text
        self.token, self.state, self.failures, self._died = token, TokenState.VALID, 0, False
        self._wake_ns = token.issued_ns + COOLING_NS
        return renewed

    def failed(self, reaction: Reaction, now_ns: int) -> None:
        """Take a failed issue: wrong credentials are final, anything else waits."""
        if reaction is Reaction.STOP_CONFIG:
            self.state = TokenState.REFUSED
            return
        wait_ns = (
            COOLING_NS
            if reaction is Reaction.WAIT_ISSUE
            else BACK_OFF_NS[min(self.failures, len(BACK_OFF_NS) - 1)]
        )
        self.failures += 1
        self._wake_ns = (now_ns if self._attempt_ns is None else self._attempt_ns) + wait_ns
        self.state = TokenState.VALID if self.token else TokenState.COOLING

    def rejected(self, text: str) -> None:
        """Note that a call was refused because this token died; later refusals of an older one change nothing."""
        if self.token is not None and self.token.text == text:
            self._died = True

    def _refresh_due(self, now_ns: int, session_end_ns: int | None) -> bool:
        if self.token is None or self._died:
            return True
        if self._attempt_ns is not None and now_ns - self._attempt_ns < ATTEMPT_NS:
            return False
        short_of_session = session_end_ns is not None and self.token.expires_ns < session_end_ns + REFRESH_NS
        return short_of_session or self.token.expires_ns - now_ns < REFRESH_NS


def read_token(document: dict[str, Any], now_ns: int) -> tuple[Token, bool]:
    """Read an issue answer; return the token and whether its two statements of expiry agree (OB-406).

    Raises:
        PeerError: a field is missing or malformed.
    """
    text, until, seconds = (
        document.get(k) for k in ("access_token", "access_token_token_expired", "expires_in")
    )
    if not isinstance(text, str) or not text or not isinstance(until, str) or not isinstance(seconds, int):
        raise PeerError("the token answer lacks access_token, its expiry or expires_in")
    try:
        local = datetime.strptime(until, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise PeerError(f"the token's expiry {until!r} is not YYYY-MM-DD HH:MM:SS") from None
    stated_ns = int(local.timestamp()) * NANOSECONDS - KST_NS
    counted_ns = now_ns + seconds * NANOSECONDS
    agree = abs(stated_ns - counted_ns) <= EXPIRY_DIFFERENCE_NS
    return Token(text, now_ns, stated_ns if agree else min(stated_ns, counted_ns)), agree
