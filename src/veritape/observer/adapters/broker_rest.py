"""The broker's REST side as the recorder calls it: one pacer, one token, reactions by code (OB-251, OB-403, KIS-020)."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import aiohttp

from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters.bodies import read_body
from veritape.observer.adapters.pacing_gate import Gate
from veritape.observer.adapters.token_files import TokenStore, refused_credentials
from veritape.observer.adapters.token_keeper import TokenKeeper
from veritape.observer.lanes import Lane
from veritape.observer.pacing import Permit
from veritape.observer.reactions import BODY_BYTES, Answer, AnswerReason, Reaction, classify
from veritape.observer.settings import KisSettings
from veritape.observer.tokens import REFRESH_NS, TokenMachine
from veritape.wire.kis.master import ZIP_BYTES
from veritape.wire.kis.rest import APPROVAL_PATH, REAL_ONLY, TOKEN_PATH, Call

CALL_SECONDS, CONNECT_SECONDS, DOWNLOAD_SECONDS = 10, 3, 30
"""Real-time limits of a call, of its connection, and of a master file (KIS-027, KIS-087)."""

SLOW_DOWN_NS = 150_000_000
"""Wait after the first refusal for too many calls (OB-258)."""

SWEEP_STEP_MS, IDLE_STEP_MS = 50, 40_000
"""Jumps of a replayed clock, milliseconds: during a sweep, whose calls leave that far apart, and at any other time, when
they are how late the next sweep may begin."""

REPETITIONS = 3
"""Times that one call is sent."""


class Exchange(NamedTuple):
    """One attempt of a call that ended."""

    seconds: float
    """From sent to ended, by the machine's clock."""
    code: str
    """The broker's, empty without one."""
    reason: str
    """Why there is no answer; empty for one."""
    answered: bool
    """Whether the broker said anything."""
    ended_ns: int
    """Wall clock."""


class BrokerRest:
    """All REST calls of one account."""

    def __init__(
        self,
        settings: KisSettings,
        gate: Gate,
        store: TokenStore,
        clock: Clock,
        margin_ns: int = REFRESH_NS,
    ) -> None:
        self._settings = settings
        self.gate = gate
        """Where every call waits for its permit."""
        self._clock = clock
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, connect=CONNECT_SECONDS)
        self._http = aiohttp.ClientSession(timeout=timeout, auto_decompress=True)
        self.keeper = TokenKeeper(store, clock, self._ask_for_a_token, margin_ns)
        """The access token."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """(transaction id, reaction) -> calls."""
        self.clock_offset_ns: int | None = None
        """Our wall clock less the broker's, by the Date of its last answer; for waiting rules and checks only (KIS-180)."""
        self._calls: set[asyncio.Task[Answer]] = set()
        self._sweeps = 0
        self._machine = SystemClock()
        self._answered_ns = self._machine.monotonic_ns()
        self.exchanged: Callable[[Exchange], None] = lambda _exchange: None
        """Told of every attempt that ended."""

    async def close(self) -> None:
        """Close every connection; permits of calls in flight return by themselves."""
        await self.keeper.close()
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self.gate.close()
        await self._http.close()

    @property
    def pending(self) -> int:
        """Return the calls that wait for a permit or an answer."""
        return len(self._calls) + sum(lane.waiting for lane in self.gate.lanes.values())

    def step_ms(self) -> int:
        """Return how far a replayed clock may jump at once without making a sweep late."""
        return SWEEP_STEP_MS if self._sweeps else IDLE_STEP_MS

    @contextlib.contextmanager
    def sweeping(self) -> Iterator[None]:
        """Count as a sweep meanwhile: a replayed clock goes in small steps."""
        self._sweeps += 1
        try:
            yield
        finally:
            self._sweeps -= 1

    @property
    def unanswered_ns(self) -> int:
        """Return the real time since the broker said anything, 0 while no call waits."""
        return self._machine.monotonic_ns() - self._answered_ns if self.pending else 0

    async def quotation(
        self,
        call: Call,
        parameters: Mapping[str, str],
        lane: Lane = Lane.SWEEP,
        times: int = REPETITIONS,
    ) -> Answer:
        """Make one quotation call: paced, with the token; repeated after a dead token or a refusal for speed.

        Args:
            call: which.
            parameters: its query.
            lane: rank of its purpose.
            times: how often it is sent at most.
        """
        if not self.serves(call):
            return Answer(Reaction.BUG, "", AnswerReason.NOT_ON_PAPER, {})
        answer = Answer(Reaction.RETRY, "", AnswerReason.TIMEOUT, {})
        renewals = 0
        for _ in range(times):
            permit, token = await self._admitted(lane)
            answer = await self._get(permit, call, parameters, token)
            self.outcomes[call.tr_id, answer.reaction.value] += 1
            if answer.reaction is Reaction.RENEW_TOKEN and not renewals:
                renewals += 1
                self.tokens.rejected(token)
            elif answer.reaction is Reaction.SLOW_DOWN:
                await self._clock.sleep_until(self._clock.monotonic_ns() + SLOW_DOWN_NS)
            else:
                break
        return answer

    def serves(self, call: Call) -> bool:
        """Tell whether the account has a call: paper accounts lack some, which are never sent (KIS-015)."""
        return self._settings.environment == "real" or call.tr_id not in REAL_ONLY

    async def token(self, session_end_ns: int | None = None) -> str:
        """Return a usable token; see ``TokenKeeper.token``."""
        return await self.keeper.token(session_end_ns)

    @property
    def tokens(self) -> TokenMachine:
        """Return the token's life."""
        return self.keeper.machine

    async def approval_key(self) -> str:
        """Ask for a WebSocket approval key.

        Raises:
            CheckFailedError: the broker refuses the credentials.
            UnavailableError: it gives none.
        """
        body = {"grant_type": "client_credentials", "appkey": self._appkey, "secretkey": self._appsecret}
        answer = await self._post(APPROVAL_PATH, body)
        key = answer.document.get("approval_key")
        if answer.reaction is Reaction.STOP_CONFIG:
            raise refused_credentials(answer.code)
        if not isinstance(key, str) or not key:
            raise UnavailableError(f"no approval key: {answer.code or answer.reason}")
        return key

    async def master(self, path: str) -> bytes:
        """Download a master archive; it needs no key and no permit.

        Raises:
            UnavailableError: no answer, or another status than 200.
        """
        try:
            timeout = aiohttp.ClientTimeout(total=DOWNLOAD_SECONDS)
            async with self._http.get(
                self._settings.master_url + path, timeout=timeout, allow_redirects=False
            ) as reply:
                body = await read_body(reply, ZIP_BYTES)
                if reply.status != 200 or len(body) > ZIP_BYTES:  # noqa: PLR2004 - HTTP OK
                    raise UnavailableError(f"master file {path}: status {reply.status}, {len(body)} bytes")
                return body
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UnavailableError(f"master file {path}: {type(error).__name__}") from error

    async def _ask_for_a_token(self) -> Answer:
        body = {"grant_type": "client_credentials", "appkey": self._appkey, "appsecret": self._appsecret}
        return await self._post(TOKEN_PATH, body)

    async def _post(self, path: str, body: dict[str, str]) -> Answer:
        permit = await self.gate.take(Lane.TOKEN)
        answer = await self._send(
            permit, "POST", path, {"content-type": "application/json; charset=utf-8"}, json=body
        )
        self.outcomes[path, answer.reaction.value] += 1
        return answer

    async def _admitted(self, lane: Lane) -> tuple[Permit, str]:
        """Wait for a permit and return it with a token; one that died meanwhile is not sent again and again (OB-402)."""
        while True:
            await self.token()
            is_dead = self.tokens.holds_calls
            permit = await self.gate.take(lane)
            token = self.tokens.token
            if token is not None and (is_dead or not self.tokens.holds_calls):
                return permit, token.text
            self.gate.unused(permit)

    async def _get(self, permit: Permit, call: Call, parameters: Mapping[str, str], token: str) -> Answer:
        headers = {
            "authorization": f"Bearer {token}",
            "appkey": self._appkey,
            "appsecret": self._appsecret,
            "tr_id": call.tr_id,
            "custtype": "P",
        }
        return await self._send(permit, "GET", call.path, headers, params=dict(parameters))

    async def _send(
        self, permit: Permit, method: str, path: str, headers: dict[str, str], **content: Any
    ) -> Answer:
        """Ask; a caller that is cancelled leaves the call to its answer, which returns the permit (OB-255)."""
        call = asyncio.create_task(self._exchange(permit, method, path, headers, **content))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return await asyncio.shield(call)

    async def _exchange(
        self, permit: Permit, method: str, path: str, headers: dict[str, str], **content: Any
    ) -> Answer:
        answer, failure = Answer(Reaction.RETRY, "", AnswerReason.TIMEOUT, {}), "timeout"
        began_ns = self._machine.monotonic_ns()
        try:
            async with self._http.request(
                method, self._settings.rest_url + path, headers=headers, allow_redirects=False, **content
            ) as reply:
                answer = classify(reply.status, await read_body(reply, BODY_BYTES))
                self._compare_clocks(reply.headers.get("Date", ""))
                failure = ""
                self._answered_ns = self._machine.monotonic_ns()
        except aiohttp.ServerTimeoutError:
            pass
        except aiohttp.ClientError:
            failure = "transport"
        except TimeoutError:
            pass
        seconds = (self._machine.monotonic_ns() - began_ns) / NANOSECONDS
        reason = failure or str(answer.reason or "")
        self.exchanged(Exchange(seconds, answer.code, reason, not failure, self._clock.wall_ns()))
        self.gate.answered(permit, refused_for_speed=answer.reaction is Reaction.SLOW_DOWN)
        return answer

    def _compare_clocks(self, date: str) -> None:
        with contextlib.suppress(ValueError):
            broker_ns = int(parsedate_to_datetime(date).timestamp()) * NANOSECONDS + NANOSECONDS // 2
            self.clock_offset_ns = self._clock.wall_ns() - broker_ns

    @property
    def _appkey(self) -> str:
        return self._settings.appkey.get_secret_value()

    @property
    def _appsecret(self) -> str:
        return self._settings.appsecret.get_secret_value()
