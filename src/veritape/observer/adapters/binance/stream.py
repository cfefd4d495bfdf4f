"""The live connection: combined streams of all symbols on one socket, reconnected for ever (OB-901, OB-908).

A message is stamped and queued for the journal before anything else happens to it. Ping frames are answered by the library;
that the venue closes each connection after 24 hours is a disconnect like any other.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

import aiohttp

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.connected import MESSAGE_KINDS, Connected, until_one_ends
from veritape.observer.adapters.daybook import VenueDaybook
from veritape.observer.binance.messages import FRAME_BYTES, stream_path
from veritape.observer.gaps import Cause
from veritape.observer.journal import Kind
from veritape.observer.notes import NoteKind
from veritape.observer.session import SessionAction, SessionEvent
from veritape.wire.binance.streams import STREAM_PATH

CONNECT_SECONDS = 10
"""Real-time limit of a connection attempt."""

CLOSE_SECONDS = 1
"""Real-time limit of a farewell."""

TROUBLE_LETTERS = 120
"""Longest text of a failed attempt."""


class BinanceStream:
    """The streams of some symbols."""

    def __init__(
        self,
        stream_url: str,
        codes: Sequence[str],
        streams: Sequence[str],
        daybook: VenueDaybook[BinanceRecording],
        clock: Clock,
        silence_seconds: int,
    ) -> None:
        self._url = f"{stream_url}{STREAM_PATH}?streams={stream_path(tuple(codes), tuple(streams))}"
        self._codes = tuple(codes)
        self._daybook = daybook
        self._clock = clock
        self._connected = Connected(silence_seconds * NANOSECONDS, clock)
        self.session = self._connected.session
        """The connection's life."""
        self.live = asyncio.Event()
        """Set while the connection is open."""
        self.trouble = ""
        """Why the last attempt to connect failed; empty once one did not."""
        self._sequence = 0
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._was_silent = False

    async def run(self) -> None:
        """Stay connected until ``finish`` or cancellation."""
        async with aiohttp.ClientSession() as http:
            await self._connected.stay(partial(self._connect, http))

    async def finish(self, cause: Cause) -> None:
        """Close for good; the watches end because of ``cause``."""
        self._connected.leave()
        await self._close(cause)

    async def _connect(self, http: aiohttp.ClientSession) -> SessionAction:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._socket = await http.ws_connect(
                    self._url, autoping=True, compress=0, max_msg_size=FRAME_BYTES
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.trouble = f"{type(error).__name__} {error}".strip()[:TROUBLE_LETTERS]
            return self._connected.happened(SessionEvent.FAILED)
        self.trouble = ""
        self._connected.happened(SessionEvent.OPENED)
        self._connected.happened(SessionEvent.SETTLED)
        self._sequence = 0
        for code in self._codes:
            self._daybook.note(NoteKind.WATCH_OPENED, code=code)
        self.live.set()
        await until_one_ends((self._read(self._socket), self._watch_silence()))
        cause = Cause.WS_SILENT if self._was_silent else Cause.WS_DISCONNECT
        self._was_silent = False
        action = self._connected.happened(SessionEvent.ENDED)
        await self._close(cause)
        return action

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            kind = MESSAGE_KINDS.get(message.type)
            if kind is None:
                return
            self._sequence += 1
            data = message.data.encode() if kind is Kind.TEXT else message.data
            self._daybook.frame(kind, self.session.epoch, self._sequence, data)
            self._connected.happened(SessionEvent.FRAME)
            await self._daybook.writer.room()

    async def _watch_silence(self) -> None:
        self._was_silent = await self._connected.until_silent(lambda: True)

    async def _close(self, cause: Cause) -> None:
        if self._socket is None:
            return
        socket, self._socket = self._socket, None
        self.live.clear()
        for code in self._codes:
            self._daybook.note(NoteKind.WATCH_CLOSED, code=code, cause=cause.value)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await socket.close()
