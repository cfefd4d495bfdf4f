"""Play a day through the open sockets: turn the clock, send what is due, keep the truth.

With the virtual clock the tape waits for readers and followers that fall behind; without it readers are cut (KIS-223).
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from typing import Any

from veritape.kernel.clock import Clock
from veritape.replay.adapters.answers import Answers
from veritape.replay.adapters.outbox import How, Outbox
from veritape.replay.adapters.truth_file import TruthFile
from veritape.replay.books import book_frame
from veritape.replay.delivery import Delivery, Fate, Outcome, Packet, Sending
from veritape.replay.faults import Faults
from veritape.replay.followers import Followers, Question
from veritape.replay.market import Market
from veritape.replay.master_files import archive
from veritape.replay.packing import Frame, pack
from veritape.replay.rendering import record
from veritape.replay.schedule import (
    AFTER_MS,
    START_MS,
    Session,
    TapeClock,
    kst_datetime,
    midnight_ns,
)
from veritape.replay.sockets import Exchange, Socket
from veritape.replay.statuses import changes, expected_frame
from veritape.replay.widths import Widths
from veritape.wire.kis.frames import (
    BOOK_BOTH,
    BOOK_KRX,
    BOOK_NXT,
    BOOK_STREAMS,
    EXPECTED_KRX,
    STATUS_KRX,
    TRADE_STREAMS,
    TRADES_BOTH,
    TRADES_KRX,
    TRADES_NXT,
)
from veritape.wire.kis.master import Layout

VENUES = {
    TRADES_KRX: "J", TRADES_NXT: "NX", TRADES_BOTH: "UN", BOOK_KRX: "J", BOOK_NXT: "NX", BOOK_BOTH: "UN",
}  # fmt: skip
"""Stream -> ``FID_COND_MRKT_DIV_CODE`` of its venue (KIS-167)."""

TURN_SECONDS = 0.005
"""Pause between two turns of the clock."""

BEHIND_BYTES = 256 << 10
"""Unsent bytes of a registered connection at which the virtual tape waits."""

MAX_BATCH = 64
"""Frames of one turn at ``--speed max``: the loop stays responsive between them."""

AFTER_SPEED = 60.0
"""Speed of the clock once the tape of ``--speed max`` has ended: anchors and seals happen in time."""


@dataclass(frozen=True)
class PlayOptions:
    """How a day is played."""

    speed: float | None
    """Tape seconds per real second; None sends as fast as it is read."""
    virtual: bool
    """The broker clock is the tape clock."""
    wait_registered: bool
    """The tape starts once every code is registered."""
    widths: Widths
    """Fields of a record over the day."""
    truth: str | None
    """Path of the truth file; ``{day}`` stands for the date."""


def pingpong(stamp: str) -> str:
    """Return the text of a heartbeat (KIS-108)."""
    return f'{{"header":{{"tr_id":"PINGPONG","datetime":"{stamp}"}}}}'


class Player:
    """The broker's market side: one day after another."""

    def __init__(self, options: PlayOptions, exchange: Exchange, faults: Faults, clock: Clock) -> None:
        self._options = options
        self._exchange = exchange
        self._faults = faults
        self._clock = clock
        self._delivery = Delivery(faults)
        self._late: list[tuple[int, int, Sending]] = []
        self._lates = 0
        self._moments: list[tuple[int, How]] = []
        self._truth = TruthFile(options.truth)
        self.outboxes: dict[Socket, Outbox] = {}
        """Connections that frames go to."""
        self.frames_sent = 0
        """Frames sent to at least one connection, of all days."""
        self.running = False
        """Whether the tape moves."""
        self.followers = Followers()
        """Clients whose clock the tape is."""
        self.answers = Answers(self, exchange)
        """What clients are told of their commands."""

    def load(self, session: Session, market: Market) -> None:
        """Make a day current: its clock stands at the start until ``play``."""
        self.session = session
        self.market = market
        self._midnight_ns = midnight_ns(session.day)
        self._delivery = Delivery(self._faults)
        self._late.clear()
        self._changes = deque(changes(market, session.open_ms, session.close_ms))
        self._announced_s = -1
        self._moments = sorted(
            (fault.at_ms, how)
            for how in (How.CLOSE, How.RESET, How.HALF_CLOSE)
            for fault in self._faults.of(how)
            if fault.at_ms is not None
        )
        self.tape = TapeClock(session.start_ms * 1_000_000, self._options.speed or AFTER_SPEED)

    def broker_ns(self) -> int:
        """Return the broker clock: tape time with the virtual clock, else the machine's."""
        return self._midnight_ns + self.tape.now_ns if self._options.virtual else self._clock.wall_ns()

    def is_silent(self) -> bool:
        """Tell whether nothing is sent now (``silence``)."""
        return self._delivery.silent(self.tape.now_ms)

    def stamp_ns(self) -> int:
        """Return the broker clock as its stamps show it (``clock_skew``)."""
        skew = self._faults.active("clock_skew", self.tape.now_ms)
        return self.broker_ns() + (int(skew.number) * 1_000_000 if skew else 0)

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

    def master_archive(self, layout: Layout, stamp: tuple[int, int, int]) -> bytes:
        """Return a market's master file as of now."""
        return archive(self.market, layout, self._faults, self.tape.now_ms, stamp)

    def follow(self, who: Hashable, is_gone: Callable[[], bool], step_ms: int | None) -> dict[str, Any]:
        """Tell a follower the time; the tape waits for it until its connection is gone."""
        question = Question(self.tape.now_ns, self._clock.monotonic_ns(), is_gone, step_ms)
        self.followers.asked(who, question)
        return self.clock_document()

    def note(self, kind: str, detail: dict[str, Any]) -> None:
        """Write an event to the truth file."""
        self._truth.note(self.tape.now_ms, kind, detail)

    async def play(self, progress: Callable[[int, int], None]) -> None:
        """Play the loaded day to its end and the time after it; call progress(ms, frames sent) at each minute."""
        frames = deque(pack(quoted.series for quoted in self.market.quoted.values()))
        self._truth.open(self.market, self._faults.seed, self._settings())
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
            self._truth.close()

    async def beat(self) -> None:
        """Send PINGPONGs to idle connections and cut the silent ones, for ever."""
        while True:
            await asyncio.sleep(TURN_SECONDS * 10)
            now_ns, tape_ms = self.broker_ns(), self.tape.now_ms
            stamp = kst_datetime(self.stamp_ns()).strftime("%Y%m%d%H%M%S")
            for outbox in list(self.outboxes.values()):
                if self._exchange.must_cut(outbox.socket, now_ns):
                    self.note("cut", {"connection": outbox.socket.number, "rule": "KIS-109"})
                    outbox.abort()
                elif self._must_ping(outbox, now_ns, tape_ms):
                    self.answers.say(outbox, pingpong(stamp))

    def _must_ping(self, outbox: Outbox, now_ns: int, tape_ms: int) -> bool:
        trouble = self._exchange.trouble
        if trouble.says("pingpong_flood", tape_ms):
            return True
        return not trouble.says("no_pingpong", tape_ms) and self._exchange.heartbeat(outbox.socket, now_ns)

    def jumped_from(self, before_ns: int) -> None:
        """Take a jump of the clock back from the heartbeats of those who are connected.

        Args:
            before_ns: broker clock before it.
        """
        self._exchange.skipped(self.broker_ns() - before_ns)

    async def walk_on(self) -> None:
        """Let the time after the last day pass at real speed, for ever: a late follower can still finish the day."""
        while True:
            self.tape.turn(self._clock.monotonic_ns(), 1.0)
            await asyncio.sleep(TURN_SECONDS)

    def _turn(self, frames: deque[Frame]) -> None:
        real_ns = self._clock.monotonic_ns()
        stepping = self._options.speed is None and bool(frames)
        if self._options.virtual and (
            self._readers_are_behind() or self.followers.lag(self.tape.now_ns, real_ns, stepping=stepping)
        ):
            self.tape.rest(real_ns)
            return
        if stepping:
            next_ms, step_ms = frames[min(MAX_BATCH, len(frames)) - 1].emit_ms, self.followers.step_ms
            self.tape.jump(next_ms if step_ms is None else min(next_ms, self.tape.now_ms + step_ms), real_ns)
        else:
            self.tape.turn(real_ns)
        while frames and frames[0].emit_ms <= self.tape.now_ms:
            frame = frames.popleft()
            self._catch_up(frame.emit_ms)
            self._emit(frame)
        self._catch_up(self.tape.now_ms)
        self._announce()
        if not frames:
            self._dispatch(self._delivery.flush(), self.tape.now_ms)

    def _emit(self, frame: Frame) -> None:
        """Send one frame of the tape to who registered it; windows of faults go by its own time."""
        struck: tuple[str, ...] = ()
        if self._faults.names:
            struck = self._delivery.strikes(frame.number, frame.end - frame.first, frame.emit_ms)
        sessions: list[int] = []
        for tr_id in TRADE_STREAMS:
            sockets = self._exchange.watchers(tr_id, frame.code)
            packet = self._packet(tr_id, frame, struck, sockets) if sockets else None
            if packet is not None:
                self._dispatch(self._delivery.send(packet, struck, frame.emit_ms), frame.emit_ms)
                self.answers.say_after_data(packet)
                sessions.extend(socket.number for socket in sockets)
        self._send_books(frame)
        outcome = self._delivery.outcome(struck, watched=bool(sessions))
        reached = outcome.fate not in {Fate.UNWATCHED, Fate.DROPPED}
        self.frames_sent += reached
        self._truth.record(frame, self.market, outcome, sessions if reached else [])

    def _packet(
        self, tr_id: str, frame: Frame, struck: tuple[str, ...], sockets: list[Socket]
    ) -> Packet | None:
        """Return a frame's records as a stream has them, None where its venue did not trade."""
        width = self._options.widths.of(tr_id, frame.emit_ms)
        insert = None
        if struck:
            width, insert = self._delivery.shape(struck, width, frame.emit_ms)
        venue = self.market.venue(VENUES[tr_id])
        trades = venue.of_frame(self.market, frame)
        if not trades:
            return None
        listing = venue.quoted[frame.code].listing
        records = tuple(record(trade, listing, width, insert) for trade in trades)
        return Packet(tr_id, frame.code, frame.number, records, tuple(sockets))

    def _send_books(self, frame: Frame) -> None:
        """Send the book after a frame's last trade: it comes whatever became of the frame."""
        for tr_id in BOOK_STREAMS:
            sockets = self._exchange.watchers(tr_id, frame.code)
            if not sockets or self._delivery.silent(frame.emit_ms):
                continue
            venue = self.market.venue(VENUES[tr_id])
            if trades := venue.of_frame(self.market, frame):
                width = self._options.widths.of(tr_id, frame.emit_ms)
                text = book_frame(tr_id, trades[-1], venue.quoted[frame.code].listing, width)
                self._dispatch([Sending(socket, text) for socket in sockets], frame.emit_ms)

    def _announce(self) -> None:
        """Send what the market says beside trades: changes of its status, and each second what auctions expect."""
        now_ms = self.tape.now_ms
        while self._changes and self._changes[0].ms <= now_ms:
            change = self._changes.popleft()
            sockets = self._exchange.watchers(STATUS_KRX, change.code)
            self._dispatch([Sending(socket, change.text) for socket in sockets], now_ms)
        if now_ms // 1000 == self._announced_s:
            return
        self._announced_s = now_ms // 1000
        for code in self.market.codes:
            if sockets := self._exchange.watchers(EXPECTED_KRX, code):
                text = expected_frame(self.market, code, now_ms, self.session.open_ms)
                self._dispatch([Sending(socket, text) for socket in sockets if text], now_ms)

    def _dispatch(self, sendings: list[Sending], tape_ms: int) -> None:
        now_ns = self.broker_ns() if sendings else 0
        for one in sendings:
            if one.delay_ms > 0:
                self._lates += 1
                heapq.heappush(self._late, (tape_ms + one.delay_ms, self._lates, one._replace(delay_ms=0)))
            elif box := self.outboxes.get(one.socket):
                one.socket.last_frame_ns = now_ns
                box.put(one.text, How.FRAGMENTS if one.fragment else How.TEXT)

    def _catch_up(self, tape_ms: int) -> None:
        """Send what was delayed until a tape time, and end connections whose moment has come."""
        while self._late and self._late[0][0] <= tape_ms:
            due_ms, _, one = heapq.heappop(self._late)
            self._dispatch([one], due_ms)
        while self._moments and self._moments[0][0] <= tape_ms:
            _, how = self._moments.pop(0)
            for outbox in list(self.outboxes.values()):
                self.note("fault", {"fault": how, "connection": outbox.socket.number})
                outbox.put("", how)

    def _settings(self) -> dict[str, Any]:
        return {
            "faults": [asdict(fault) for fault in self._faults.asked],
            "widths": self._options.widths.document(),
            "virtual": self._options.virtual,
        }

    def _skip_unwatched(self, frames: deque[Frame]) -> None:
        while frames and frames[0].emit_ms <= self.session.start_ms:
            self._truth.record(frames.popleft(), self.market, Outcome(Fate.UNWATCHED, ()), [])

    async def _wait_for_watchers(self) -> None:
        """Walk towards the open at real speed and stand before it until every code is registered."""
        latest_ms = max(self.session.start_ms, self.session.open_ms - START_MS)
        while self._options.wait_registered and not self._all_registered():
            real_ns = self._clock.monotonic_ns()
            if self.tape.now_ms < latest_ms:
                self.tape.turn(real_ns, 1.0)
            self._announce()
            await asyncio.sleep(TURN_SECONDS)
        before_ns = self.broker_ns()
        self.tape.jump(latest_ms, self._clock.monotonic_ns())
        self.jumped_from(before_ns)

    def _all_registered(self) -> bool:
        return all(
            any(self._exchange.watchers(tr_id, code) for tr_id in TRADE_STREAMS) for code in self.market.codes
        )

    def _readers_are_behind(self) -> bool:
        return any(
            box.socket.registered and box.behind_bytes() > BEHIND_BYTES for box in self.outboxes.values()
        )
