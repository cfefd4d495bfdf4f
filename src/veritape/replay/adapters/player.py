"""Play a day through the open sockets: turn the clock, send what is due, keep the truth.

A connection has an outbox of its own, so that a slow reader delays nobody's frames; with the virtual clock the tape
waits for readers that fall behind, without it they are cut (KIS-223).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from veritape.kernel.clock import Clock
from veritape.kernel.errors import UnavailableError
from veritape.replay.faults import Faults
from veritape.replay.market import Market
from veritape.replay.packing import Frame, pack
from veritape.replay.rendering import frame_text
from veritape.replay.schedule import (
    AFTER_MS,
    START_MS,
    Session,
    TapeClock,
    kst_datetime,
    midnight_ns,
)
from veritape.replay.sockets import Exchange, Socket
from veritape.replay.truth import Truth
from veritape.wire.kis.frames import TRADES_KRX

TURN_SECONDS = 0.005
"""Pause between two turns of the clock."""

BEHIND_BYTES = 256 << 10
"""Unsent bytes of a registered connection at which the virtual tape waits."""

CUT_BYTES = 8 << 20
"""Unsent bytes at which a slow connection is cut."""

MAX_BATCH = 64
"""Frames of one turn at ``--speed max``: the loop stays responsive between them."""

AFTER_SPEED = 60.0
"""Speed of the clock once the tape of ``--speed max`` has ended: anchors and seals happen in time."""


@dataclass(eq=False)
class Outbox:
    """What waits to be written to one connection."""

    socket: Socket
    """Whose it is."""
    abort: Callable[[], None]
    """Cuts the connection."""
    unsent: Callable[[], int]
    """Bytes that the transport holds."""
    queue: deque[str] = field(default_factory=deque)
    """Texts in order."""
    queued_bytes: int = 0
    """Their size."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while something waits."""

    def put(self, text: str) -> None:
        """Queue a text; a connection that is too far behind is cut."""
        self.queue.append(text)
        self.queued_bytes += len(text)
        self.ready.set()
        if self.behind_bytes() > CUT_BYTES:
            self.abort()

    async def take(self) -> str:
        """Return the next text."""
        while not self.queue:
            self.ready.clear()
            await self.ready.wait()
        text = self.queue.popleft()
        self.queued_bytes -= len(text)
        return text

    def behind_bytes(self) -> int:
        """Return what was put and is not yet written."""
        return self.queued_bytes + self.unsent()


@dataclass(frozen=True)
class PlayOptions:
    """How a day is played."""

    speed: float | None
    """Tape seconds per real second; None sends as fast as it is read."""
    virtual: bool
    """The broker clock is the tape clock."""
    wait_registered: bool
    """The tape starts once every code is registered."""
    width: int
    """Fields of a trade record."""
    truth: str | None
    """Path of the truth file; ``{day}`` stands for the date."""


class Player:
    """The broker's market side: one day after another."""

    def __init__(self, options: PlayOptions, exchange: Exchange, faults: Faults, clock: Clock) -> None:
        self._options = options
        self._exchange = exchange
        self._faults = faults
        self._clock = clock
        self._truth: Truth | None = None
        self._truth_file: TextIO | None = None
        self.outboxes: dict[Socket, Outbox] = {}
        """Connections that frames go to."""
        self.frames_sent = 0
        """Frames sent to at least one connection, of all days."""
        self.running = False
        """Whether the tape moves."""

    def load(self, session: Session, market: Market) -> None:
        """Make a day current: its clock stands at the start until ``play``."""
        self.session = session
        self.market = market
        self._midnight_ns = midnight_ns(session.day)
        self.tape = TapeClock(session.start_ms * 1_000_000, self._options.speed or AFTER_SPEED)

    def broker_ns(self) -> int:
        """Return the broker clock: tape time with the virtual clock, else the machine's."""
        return self._midnight_ns + self.tape.now_ns if self._options.virtual else self._clock.wall_ns()

    def kst_text(self, layout: str) -> str:
        """Return the broker clock as Seoul's wall shows it."""
        return kst_datetime(self.broker_ns()).strftime(layout)

    def clock_document(self) -> dict[str, Any]:
        """Return the answer of ``GET /replay/clock``: a follower may walk ahead at ``speed`` while it is running."""
        stepping = self._options.speed is None and self.running
        return {
            "format": "veritape.clock.v1",
            "day": self.session.day,
            "now_ns": self._midnight_ns + self.tape.now_ns,
            "speed": 0.0 if stepping else self.tape.speed if self.running else 1.0,
            "virtual": self._options.virtual,
        }

    def note(self, kind: str, detail: dict[str, Any]) -> None:
        """Write an event to the truth file."""
        if self._truth and self._truth_file:
            self._truth_file.write(self._truth.event(self.tape.now_ms, kind, detail))

    async def play(self, progress: Callable[[int, int], None]) -> None:
        """Play the loaded day to its end and the time after it; call progress(ms, frames sent) at each minute."""
        frames = deque(pack(quoted.series for quoted in self.market.quoted.values()))
        self._open_truth()
        try:
            await self._wait_for_watchers()
            self._skip_unwatched(frames)
            self.running = True
            last_minute = 0
            while frames or self.tape.now_ms < self.session.close_ms + AFTER_MS:
                await asyncio.sleep(0 if frames and self._options.speed is None else TURN_SECONDS)
                self._turn(frames)
                if self.tape.now_ms // 60_000 != last_minute:
                    last_minute = self.tape.now_ms // 60_000
                    progress(self.tape.now_ms, self.frames_sent)
        finally:
            self.running = False
            self._close_truth()

    async def beat(self) -> None:
        """Send PINGPONGs to idle connections and cut the silent ones, for ever."""
        while True:
            await asyncio.sleep(TURN_SECONDS * 10)
            now_ns = self.broker_ns()
            for outbox in list(self.outboxes.values()):
                if self._exchange.must_cut(outbox.socket, now_ns):
                    self.note("cut", {"connection": outbox.socket.number, "rule": "KIS-109"})
                    outbox.abort()
                elif text := self._exchange.heartbeat(outbox.socket, now_ns, self.kst_text("%Y%m%d%H%M%S")):
                    outbox.put(text)

    def _turn(self, frames: deque[Frame]) -> None:
        real_ns = self._clock.monotonic_ns()
        if self._options.virtual and self._readers_are_behind():
            self.tape.rest(real_ns)
            return
        if self._options.speed is None and frames:
            self.tape.jump(frames[min(MAX_BATCH, len(frames)) - 1].emit_ms, real_ns)
        else:
            self.tape.turn(real_ns)
        while frames and frames[0].emit_ms <= self.tape.now_ms:
            self._emit(frames.popleft())

    def _emit(self, frame: Frame) -> None:
        quoted = self.market.quoted[frame.code]
        watchers = self._exchange.watchers(TRADES_KRX, frame.code)
        dropped = self._faults.drops(frame.number)
        if watchers and not dropped:
            text = frame_text(frame, quoted.series.trades, quoted.listing, self._options.width)
            now_ns = self.broker_ns()
            for socket in watchers:
                socket.last_frame_ns = now_ns
                self.outboxes[socket].put(text)
            self.frames_sent += 1
        fate = "unwatched" if not watchers else "dropped" if dropped else "sent"
        self._record(frame, fate, [socket.number for socket in watchers] if fate == "sent" else [])

    def _record(self, frame: Frame, fate: str, sessions: list[int]) -> None:
        if self._truth and self._truth_file:
            series = self.market.quoted[frame.code].series
            self._truth_file.write(self._truth.frame(frame, series, fate, sessions))

    def _skip_unwatched(self, frames: deque[Frame]) -> None:
        while frames and frames[0].emit_ms <= self.session.start_ms:
            self._record(frames.popleft(), "unwatched", [])

    async def _wait_for_watchers(self) -> None:
        """Walk towards the open at real speed and stand before it until every code is registered."""
        latest_ms = max(self.session.start_ms, self.session.open_ms - START_MS)
        while self._options.wait_registered and not self._all_registered():
            real_ns = self._clock.monotonic_ns()
            if self.tape.now_ms < latest_ms:
                self.tape.turn(real_ns, 1.0)
            await asyncio.sleep(TURN_SECONDS)
        self.tape.jump(latest_ms, self._clock.monotonic_ns())

    def _all_registered(self) -> bool:
        return all(self._exchange.watchers(TRADES_KRX, code) for code in self.market.codes)

    def _readers_are_behind(self) -> bool:
        return any(
            box.socket.registered and box.behind_bytes() > BEHIND_BYTES for box in self.outboxes.values()
        )

    def _open_truth(self) -> None:
        self._truth = Truth(self.market.codes)
        if self._options.truth is not None:
            path = Path(self._options.truth.replace("{day}", self.session.day))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._truth_file = path.open("w")
            except OSError as error:
                raise UnavailableError(
                    f"replay: --truth {path}: {error.strerror}: choose another path"
                ) from error
            settings = {
                "drop": self._faults.drop,
                "width": self._options.width,
                "virtual": self._options.virtual,
            }
            self._truth_file.write(self._truth.start(self.session.day, self._faults.seed, settings))

    def _close_truth(self) -> None:
        if self._truth and self._truth_file:
            self._truth_file.write(self._truth.end())
            self._truth_file.close()
            self._truth_file = None
