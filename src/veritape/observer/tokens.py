"""Life of the access token: when to use, issue, refresh, wait (OB-401 to 407).

A token is valid for 24 hours, each issue sends the customer a message, and only one issue a minute is allowed. So a token
is never issued because a process started, a refused attempt waits 61 seconds from the *attempt*, and many callers that
fail at once cause one issue.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from veritape.kernel.clock import NANOSECONDS
from veritape.kernel.errors import PeerError
from veritape.observer.reactions import Reaction
from veritape.wire.kis.rest import SAME_TOKEN_SECONDS

MINUTE_NS: Final = 60 * NANOSECONDS
"""Nanoseconds in a minute."""

USABLE_NS: Final = 10 * MINUTE_NS
"""A stored token is used at start if it lives longer than this."""

REFRESH_NS: Final = 60 * MINUTE_NS
"""Remaining life at which a token is refreshed, and the margin behind a session's end."""

COOLING_NS: Final = 61 * NANOSECONDS
"""Wait after an attempt, refused or not."""

SAME_TOKEN_NS: Final = SAME_TOKEN_SECONDS * NANOSECONDS
"""Within this time of an issue the broker returns the same token again (KIS-032)."""

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

    def __init__(
        self, stored: Token | None, now_ns: int, attempted_ns: int | None = None, margin_ns: int = REFRESH_NS
    ) -> None:
        """Begin with what is stored.

        Args:
            stored: token of an earlier run.
            now_ns: wall clock.
            attempted_ns: when any process of the account last asked for a token.
            margin_ns: remaining life at which a token is refreshed.
        """
        usable = stored is not None and stored.expires_ns - now_ns > USABLE_NS
        if attempted_ns is not None and attempted_ns > now_ns:
            attempted_ns = None  # the clock was set back, or another one wrote it
        self.token = stored if usable else None
        """What calls present."""
        self.state = TokenState.VALID if usable else TokenState.ABSENT
        self.attempts = 0
        """Issue calls since the start."""
        self.failures = 0
        """Failures in a row, those for asking too soon left out."""
        self._attempt_ns = attempted_ns
        self._wake_ns = 0 if attempted_ns is None or usable else attempted_ns + COOLING_NS
        self._margin_ns = margin_ns
        self._died = False
        self._renew_ns: int | None = None

    def due(self, now_ns: int, session_end_ns: int | None = None) -> bool:
        """Tell whether an issue call is to be made now; the caller then makes exactly one."""
        if not self.wants(now_ns, session_end_ns):
            return False
        self.begin(now_ns)
        return True

    def wants(self, now_ns: int, session_end_ns: int | None = None) -> bool:
        """Tell whether an issue call would be due now.

        Args:
            now_ns: wall clock.
            session_end_ns: end of today's session once it is half an hour before the open, else None.
        """
        if self.token is not None and self.token.expires_ns <= now_ns:
            self.token = None
            if self.state in {TokenState.VALID, TokenState.REFRESHING}:
                self.state = TokenState.ABSENT if self.state is TokenState.VALID else TokenState.ISSUING
        wanted = {
            TokenState.ABSENT: True,
            TokenState.COOLING: True,
            TokenState.VALID: self._refresh_due(now_ns, session_end_ns),
        }.get(self.state, False)
        return wanted and now_ns >= self._wake_ns

    def begin(self, now_ns: int) -> None:
        """Note that the call is made now."""
        self.state = TokenState.REFRESHING if self.token else TokenState.ISSUING
        self._attempt_ns = now_ns
        self.attempts += 1

    def adopt(self, stored: Token | None, attempted_ns: int | None, now_ns: int) -> bool:
        """Take what another process of the account did meanwhile; return whether it makes an issue needless (OB-404)."""
        if attempted_ns is not None and (self._attempt_ns or 0) < attempted_ns <= now_ns:
            self._attempt_ns = attempted_ns
            self._wake_ns = max(self._wake_ns, attempted_ns + COOLING_NS)
        known = self.token is not None and stored is not None and stored.text == self.token.text
        if stored is not None and not known and stored.expires_ns - now_ns > USABLE_NS:
            self.token, self.state, self._died, self._renew_ns = stored, TokenState.VALID, False, None
            return True
        return now_ns < self._wake_ns

    def issued(self, token: Token) -> bool:
        """Take an issued token; return False when the broker returned the one that had died (OB-402)."""
        renewed = self.token is None or token.text != self.token.text
        self._wake_ns = token.issued_ns + COOLING_NS
        if self.token is not None and not renewed:
            token = replace(token, issued_ns=self.token.issued_ns)
            self._renew_ns = token.issued_ns + SAME_TOKEN_NS if self._died else None
        else:
            self._renew_ns = None
        self.token, self.state, self.failures, self._died = token, TokenState.VALID, 0, False
        return renewed

    def failed(self, reaction: Reaction, now_ns: int) -> None:
        """Take a failed issue: wrong credentials are final without a living token, anything else waits."""
        wait_ns = COOLING_NS
        if reaction is not Reaction.WAIT_ISSUE:
            wait_ns = BACK_OFF_NS[min(self.failures, len(BACK_OFF_NS) - 1)]
            self.failures += 1
        self._wake_ns = (now_ns if self._attempt_ns is None else self._attempt_ns) + wait_ns
        if self.token is not None:
            self.state = TokenState.VALID
        else:
            final = reaction is Reaction.STOP_CONFIG
            self.state = TokenState.REFUSED if final else TokenState.COOLING

    def rejected(self, text: str) -> None:
        """Note that a call was refused because this token died; later refusals of an older one change nothing."""
        if self.token is not None and self.token.text == text:
            self._died = True

    @property
    def holds_calls(self) -> bool:
        """Tell whether new calls wait for the issue under way: they have no token, or a dead one."""
        return self.token is None or self._died

    def _refresh_due(self, now_ns: int, session_end_ns: int | None) -> bool:
        if self.token is None or self._died or (self._renew_ns is not None and now_ns >= self._renew_ns):
            return True
        if self._attempt_ns is not None and now_ns - self._attempt_ns < ATTEMPT_NS:
            return False
        short_of_session = (
            session_end_ns is not None and self.token.expires_ns < session_end_ns + self._margin_ns
        )
        return short_of_session or self.token.expires_ns - now_ns < self._margin_ns


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
    if min(stated_ns, counted_ns) <= now_ns:
        raise PeerError("the issued token has expired already")
    agree = abs(stated_ns - counted_ns) <= EXPIRY_DIFFERENCE_NS
    return Token(text, now_ns, stated_ns if agree else min(stated_ns, counted_ns)), agree
