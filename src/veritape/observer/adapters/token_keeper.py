"""Keeps the account's access token alive: one issue for everybody who needs it, in this process and the others (OB-401 to 407).

The machine of ``tokens`` decides. An issue runs as a task of its own, under the store's lock, and first looks whether
another process has done it already. Calls wait for it only when they have no token, or one that the broker refused.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import PeerError
from veritape.observer.adapters.token_files import TokenStore, refused_credentials
from veritape.observer.log_events import LogEvent
from veritape.observer.reactions import Answer, Reaction
from veritape.observer.tokens import COOLING_NS, MINUTE_NS, REFRESH_NS, TokenMachine, TokenState, read_token

HOLD_SECONDS = 5.0
"""Real time that a call with a dead token waits for a new one before it is sent all the same (OB-402)."""

LOCK_SECONDS = 0.05
"""Pause between two looks at a store that another process holds."""

FAILURES_TOLD = 3
"""From this many failures in a row on each is told."""


class TokenKeeper:
    """The token of one process's account."""

    def __init__(
        self,
        store: TokenStore,
        clock: Clock,
        ask: Callable[[], Awaitable[Answer]],
        margin_ns: int = REFRESH_NS,
    ) -> None:
        """Take what is stored.

        Args:
            store: the account's file.
            clock: its wall side is the time of expiries.
            ask: makes one issue call.
            margin_ns: remaining life at which the token is refreshed.
        """
        self._store = store
        self._clock = clock
        self._ahead_ns = clock.wall_ns() - clock.monotonic_ns()
        self._ask = ask
        self._issuing: asyncio.Task[None] | None = None
        self._asked_monotonic_ns: int | None = None
        self._refused_code = ""
        stored = store.load()
        self.machine = TokenMachine(stored.token, self._now_ns(), stored.attempted_ns, margin_ns)
        """The token's life."""
        self.outcomes: Counter[str] = Counter()
        """``issued``, ``reused``, ``refused``, ``error`` -> issue calls that ended so."""

    async def token(self, session_end_ns: int | None = None) -> str:
        """Return a token to call with, issuing or refreshing one first when it is due.

        Args:
            session_end_ns: end of today's session once it is half an hour before the open.

        Raises:
            CheckFailedError: the broker refuses the credentials.
            MisuseError: the stored token cannot be read.
        """
        while True:
            self._begin_if_due(session_end_ns)
            if self._issuing is not None and self.machine.holds_calls:
                await asyncio.wait({self._issuing}, timeout=HOLD_SECONDS if self.machine.token else None)
                self._begin_if_due(session_end_ns)
            if self.machine.token is not None:
                return self.machine.token.text
            if self.machine.state is TokenState.REFUSED:
                raise refused_credentials(self._refused_code)
            await self._clock.sleep_until(self._clock.monotonic_ns() + NANOSECONDS)
            self._look_at_the_store()

    async def keep(self) -> None:
        """Refresh a living token in time, whether anybody calls or not; never issue a first one; until cancelled."""
        while True:
            await self._clock.sleep_until(self._clock.monotonic_ns() + MINUTE_NS)
            if self.machine.token is not None:
                self._begin_if_due(None)

    async def close(self) -> None:
        """Give up an issue under way; nothing is revoked."""
        if self._issuing is not None:
            self._issuing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._issuing

    def _begin_if_due(self, session_end_ns: int | None) -> None:
        """Begin an issue unless one is under way; raise what ended the last one."""
        if self._issuing is not None:
            if not self._issuing.done():
                return
            done, self._issuing = self._issuing, None
            done.result()
        asked_ns = self._asked_monotonic_ns
        if asked_ns is not None and self._clock.monotonic_ns() - asked_ns < COOLING_NS:
            return  # a step forward shortens no wait either: one issue a minute
        if self.machine.wants(self._now_ns(), session_end_ns):
            self._issuing = asyncio.create_task(self._issue())

    def _now_ns(self) -> int:
        """Return the later of the wall clock and its start moved on by the monotonic one: a step back lengthens no life and no wait."""
        return max(self._clock.wall_ns(), self._ahead_ns + self._clock.monotonic_ns())

    def _look_at_the_store(self) -> None:
        """Take a token that another process was issued while this one waits."""
        if self._issuing is None and self.machine.token is None:
            stored = self._store.load()
            self.machine.adopt(stored.token, stored.attempted_ns, self._now_ns())

    async def _issue(self) -> None:
        while True:
            with self._store.locked() as is_ours:
                if is_ours:
                    await self._issue_locked()
                    return
            await asyncio.sleep(LOCK_SECONDS)

    async def _issue_locked(self) -> None:
        now_ns = self._now_ns()
        stored = self._store.load()
        if self.machine.adopt(stored.token, stored.attempted_ns, now_ns):
            return
        self.machine.begin(now_ns)
        self._asked_monotonic_ns = self._clock.monotonic_ns()
        self._store.save(self.machine.token, now_ns)
        answer = await self._ask()
        if answer.reaction is Reaction.OK:
            with contextlib.suppress(PeerError):
                self._take(answer, now_ns)
                return
        self._fail(answer.reaction if answer.reaction is not Reaction.OK else Reaction.RETRY, answer.code)

    def _take(self, answer: Answer, asked_ns: int) -> None:
        """Take an issued token.

        Raises:
            PeerError: the answer holds none.
        """
        log = structlog.get_logger()
        token, agree = read_token(answer.document, asked_ns)
        had_died = self.machine.holds_calls and self.machine.token is not None
        renewed = self.machine.issued(token)
        self._store.save(self.machine.token, asked_ns)
        self.outcomes["issued" if renewed else "reused"] += 1
        life_s = (token.expires_ns - asked_ns) // NANOSECONDS
        log.info(LogEvent.TOKEN_ISSUED, renewed=renewed, life_s=life_s)
        if not agree:
            log.warning(LogEvent.TOKEN_EXPIRY_DIFFERS, life_s=life_s)
        if had_died and not renewed:
            log.warning(LogEvent.TOKEN_NOT_RENEWED, life_s=life_s)

    def _fail(self, reaction: Reaction, code: str) -> None:
        self.machine.failed(reaction, self._now_ns())
        self._refused_code = code
        self.outcomes["refused" if code else "error"] += 1
        if self.machine.failures >= FAILURES_TOLD or self.machine.token is not None:
            structlog.get_logger().warning(
                LogEvent.TOKEN_ISSUE_FAILED, code=code, failures=self.machine.failures
            )
