"""The live connection: one socket, its session machine, its slots (OB-341 to 350, OB-451 to 455).

A frame is stamped and queued for the journal before anything else happens to it. Control messages are answered at once;
trades wait until they are durable.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import aiohttp
import structlog

from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.connected import MESSAGE_KINDS, Connected, until_one_ends
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.frames import FRAME_BYTES, Acknowledgement, Heartbeat, parse_message
from veritape.observer.gaps import Cause
from veritape.observer.journal import Kind
from veritape.observer.log_events import LogEvent
from veritape.observer.notes import NoteKind
from veritape.observer.pace import Head, head_of
from veritape.observer.reactions import Reaction, websocket_reaction
from veritape.observer.session import (
    OPEN_STATES,
    Session,
    SessionAction,
    SessionEvent,
    SessionNotice,
    SessionState,
)
from veritape.observer.slots import Command, Outcome, SlotAction, SlotEvent, Slots
from veritape.observer.stream_messages import SLOT_EVENTS, STREAM_KINDS, command_text
from veritape.wire.kis.frames import (
    TRADES_KRX,
)

CONNECT_SECONDS = 10
"""Real-time limit of a connection attempt."""

LINGER_SECONDS = 5
"""Real time for which an unanswered close keeps the next connection waiting (OB-453)."""

ANSWER_SECONDS = 5
"""Real time in which a connection's first commands must be answered in any way, else the approval key is doubted (KIS-115)."""

RELEASE_SECONDS = 3
"""Real time that releases have at the day's end."""

KEY_LIFE_NS = 23 * 3600 * NANOSECONDS
"""Age at which a new approval key is asked for before a reconnect (OB-408)."""

Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[False]]"
"""A connection whose texts stay bytes: also one that is not UTF-8 is kept, and the session goes on (OB-991)."""


class Stream:
    """Track B of one day."""

    def __init__(
        self,
        ws_url: str,
        rest: BrokerRest,
        daybook: Daybook,
        clock: Clock,
        limit: int,
        silence_seconds: int,
        tr_ids: tuple[str, ...] = (TRADES_KRX,),
    ) -> None:
        """Prepare a day's stream.

        Args:
            ws_url: host and port.
            rest: asks for the approval key.
            daybook: journals every message.
            clock: the market's time.
            limit: registrations.
            silence_seconds: without any frame, after which the connection is doubted.
            tr_ids: what every code is registered for: trades first, then books.
        """
        self._url = f"{ws_url}/tryitout"
        self._rest = rest
        self._daybook = daybook
        self._clock = clock
        self.slots = Slots(limit, tr_ids)
        self._connected = Connected(silence_seconds * NANOSECONDS, clock, self._told)
        self.frames = 0
        """Messages received, all kinds."""
        self.connects: Counter[str] = Counter()
        """``ok``, ``refused``, ``timeout``, ``error`` -> attempts to connect that ended so."""
        self.kinds: Counter[str] = Counter()
        """Kind of message -> how many came."""
        self.last_frame_ns = 0
        """Wall clock of the last message, 0 before the first."""
        self.acknowledgements: Counter[str] = Counter()
        """Code -> how often."""
        self.heard: Callable[[Head], None] = lambda _head: None
        """Told of every data frame."""
        self.changed: Callable[[Outcome], None] = lambda _outcome: None
        """Told what became of a registration."""
        self._sequence = 0
        self._is_alive = False
        self._socket: Socket | None = None
        self._key: tuple[str, int] | None = None
        self._kick = asyncio.Event()
        self._was_silent = False
        self._commanded = asyncio.Event()
        self._doubted_key = False

    @property
    def session(self) -> Session:
        """Return the connection's life."""
        return self._connected.session

    @property
    def serves(self) -> bool:
        """Whether the connection is up and something of what is wanted is registered."""
        asked = self.slots.wanted or self.slots.refused
        return self.session.state in OPEN_STATES and (bool(self.slots.active) or not asked)

    async def settled(self, seconds: float) -> None:
        """Wait until the connection serves, but not longer than this many real seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.serves:  # noqa: ASYNC110 - acknowledgements end it
                    await asyncio.sleep(0.01)

    async def run(self, codes: Sequence[str]) -> None:
        """Keep the codes registered until ``finish`` or cancellation.

        Raises:
            CheckFailedError: the broker refuses the credentials.
        """
        self.slots.want(codes)
        async with aiohttp.ClientSession() as http:
            await self._connected.stay(partial(self._connect, http))

    def want(self, codes: Sequence[str]) -> None:
        """Change which codes are wanted, by falling priority."""
        self.slots.want(codes)
        self._kick.set()

    async def finish(self) -> None:
        """Release every registration, then close (phase after)."""
        self._connected.is_over = True
        self.slots.want(())
        self._kick.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                while self.slots.taken:  # noqa: ASYNC110 - the reader's acknowledgements end it
                    await asyncio.sleep(0.01)
        self._connected.leave()
        await self._close(Cause.NOT_WATCHED)

    async def abandon(self, cause: Cause) -> None:
        """Close at once: the process ends."""
        self._connected.leave()
        await self._close(cause)

    async def _connect(self, http: aiohttp.ClientSession) -> SessionAction:
        try:
            if self._key is None or self._clock.monotonic_ns() - self._key[1] > KEY_LIFE_NS:
                self._key = (await self._rest.approval_key(), self._clock.monotonic_ns())
            async with asyncio.timeout(CONNECT_SECONDS):
                self._socket = await http.ws_connect(
                    self._url, autoping=True, heartbeat=None, compress=0, max_msg_size=FRAME_BYTES,
                    decode_text=False,
                )  # fmt: skip
        except (aiohttp.ClientError, TimeoutError, UnavailableError, OSError) as error:
            self.connects[connect_outcome(error)] += 1
            return self._connected.happened(SessionEvent.FAILED)
        self.connects["ok"] += 1
        self._connected.happened(SessionEvent.OPENED)
        self._sequence = 0
        await until_one_ends(
            (
                self._read(self._socket),
                self._command(self._socket),
                self._watch_silence(),
                self._watch_answers(),
            )
        )
        cause = Cause.WS_SILENT if self._was_silent else Cause.WS_DISCONNECT
        self._was_silent = False
        action = self._connected.happened(SessionEvent.ENDED)
        if not self._connected.is_over:
            await self._close(cause, LINGER_SECONDS)
        return action

    async def _read(self, socket: Socket) -> None:
        while True:
            message = await socket.receive()
            kind = MESSAGE_KINDS.get(message.type)
            if kind is None:
                return
            data = message.data
            self._journal(kind, data)
            self.frames += 1
            if not self._is_alive:
                self._note_life()
            if kind is Kind.TEXT and data[:1] not in {b"0", b"1"}:
                self.kinds["control"] += 1
                await self._control(socket, data)
                if self.session.state in {SessionState.WAITING, SessionState.HELD}:
                    return
            elif kind is Kind.TEXT and (head := head_of(data)) is not None:
                self.kinds[STREAM_KINDS.get(head.tr_id, "unknown")] += 1
                self._data(head)
            else:
                self.kinds["unknown"] += 1
            if not self._daybook.writer.has_room:
                await self._daybook.writer.room()

    def _note_life(self) -> None:
        """Note that the connection lives: once for all messages that a turn of the loop finds."""
        self._is_alive = True
        asyncio.get_running_loop().call_soon(self._turn_ended)
        self.last_frame_ns = self._clock.wall_ns()
        self._connected.happened(SessionEvent.FRAME)

    def _turn_ended(self) -> None:
        self._is_alive = False

    def _data(self, head: Head) -> None:
        if not self.slots.is_active(head.code, head.tr_id):
            self._unexpected(head)
        self.heard(head)

    def _unexpected(self, head: Head) -> None:
        before = self.slots.not_subscribed
        outcome = self.slots.data(head.code, head.tr_id)
        if outcome.action is not SlotAction.NONE:
            self._apply(outcome, Cause.NOT_WATCHED)
        elif self.slots.not_subscribed != before:
            self._kick.set()

    async def _control(self, socket: Socket, data: bytes) -> None:
        message = parse_message(data)
        if isinstance(message, Heartbeat):
            await socket.send_str(message.text)
            self._journal(Kind.SENT, message.text.encode())
        elif isinstance(message, Acknowledgement):
            self._acknowledged(message)

    def _acknowledged(self, message: Acknowledgement) -> None:
        self.acknowledgements[message.msg_cd] += 1
        reaction = websocket_reaction(message.msg_cd, message.rt_cd)
        if reaction is Reaction.RENEW_APPROVAL:
            self._key = None
            self._connected.happened(SessionEvent.BAD_APPROVAL)
        elif reaction is Reaction.OTHER_SESSION:
            self._connected.happened(SessionEvent.IN_USE)
        else:
            event = SLOT_EVENTS.get(message.msg_cd, SlotEvent.REFUSED)
            key = message.tr_key, message.tr_id
            if key not in self.slots.slots and event is SlotEvent.REFUSED:
                key = self.slots.refused_unnamed() or key
            self._apply(self.slots.happened(key[0], event, key[1]), Cause.NOT_WATCHED)
            if self.slots.settled:
                self._connected.happened(SessionEvent.SETTLED)
        self._kick.set()

    async def _command(self, socket: Socket) -> None:
        while True:
            step = self.slots.next_command(self._clock.monotonic_ns())
            if isinstance(step, Command):
                await self._send(socket, step)
                continue
            self._kick.clear()
            waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._kick.wait())]
            if step is not None:
                waits.append(asyncio.create_task(self._clock.sleep_until(step)))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def _send(self, socket: Socket, command: Command) -> None:
        key = self._key[0] if self._key else ""
        text = command_text(command, key)
        await socket.send_str(text)
        self._commanded.set()
        self._journal(Kind.SENT, text.replace(key, "***").encode() if key else text.encode())

    async def _watch_silence(self) -> None:
        self._was_silent = await self._connected.until_silent(lambda: bool(self.slots.active))

    async def _watch_answers(self) -> None:
        """End a connection whose first commands meet silence as if the approval key were bad; once until any is answered."""
        answers, machine = self._answers(), SystemClock()
        self._commanded.clear()
        await self._commanded.wait()
        await machine.sleep_until(machine.monotonic_ns() + ANSWER_SECONDS * NANOSECONDS)
        was_doubted, self._doubted_key = self._doubted_key, self._answers() == answers
        if was_doubted or not self._doubted_key:
            await asyncio.Event().wait()
        structlog.get_logger().warning(LogEvent.COMMANDS_UNANSWERED, epoch=self.session.epoch)
        self._key = None
        self._connected.happened(SessionEvent.BAD_APPROVAL)

    def _answers(self) -> int:
        """Return how many messages came that a command may have caused: acknowledgements and data."""
        return self.acknowledgements.total() + self.frames - self.kinds["control"]

    async def _close(self, cause: Cause, seconds: float = 1) -> None:
        """Free the slots and close; at most this long, then the broker will notice by itself (OB-453)."""
        for outcome in self.slots.connection_closed():
            self._apply(outcome, cause)
        if self._socket is not None:
            socket, self._socket = self._socket, None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await socket.close()

    def _apply(self, outcome: Outcome, cause: Cause) -> None:
        if outcome.action is not SlotAction.NONE:
            self.changed(outcome)
        if outcome.tr_id != self.slots.tr_ids[0]:
            return
        day, second = self._daybook.now()
        if outcome.action in {SlotAction.LEARN_LIMIT, SlotAction.REFUSE_CODE}:
            self._daybook.note(NoteKind.REFUSED, day=day, code=outcome.code, event_s=second)
        elif outcome.action is SlotAction.OPEN_WATCH:
            self._daybook.note(NoteKind.WATCH_OPENED, day=day, code=outcome.code, event_s=second)
        elif outcome.action is SlotAction.CLOSE_WATCH:
            self._daybook.note(
                NoteKind.WATCH_CLOSED, day=day, code=outcome.code, event_s=second, cause=cause.value
            )

    def _journal(self, kind: Kind, data: bytes) -> None:
        self._sequence += 1
        self._daybook.frame(kind, self.session.epoch, self._sequence, data)

    def _told(self) -> None:
        if (notice := self.session.notice) is not None:
            self._tell(notice)

    def _tell(self, notice: SessionNotice) -> None:
        """Journal and log what became of the connection."""
        facts = {"event": notice.value, "epoch": self.session.epoch}
        self._daybook.own(Kind.CONNECTION, canonical_json(facts))
        log = structlog.get_logger()
        tell = log.info if notice is SessionNotice.CONNECTED else log.warning
        tell(LogEvent(notice.value), epoch=self.session.epoch)


def connect_outcome(error: BaseException) -> str:
    """Return how an attempt to connect that failed ended."""
    if isinstance(error, TimeoutError):
        return "timeout"
    refused = isinstance(error, aiohttp.WSServerHandshakeError | aiohttp.ClientConnectorError)
    return "refused" if refused else "error"
