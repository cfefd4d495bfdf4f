"""Writing the journal: a thread with group commit (OB-506, OB-510, OB-511).

The event loop appends frames; what one turn of the loop appended is handed over to a thread at once. The thread writes
them as blocks and calls ``fdatasync`` once for the group; only then are they handed back to the loop, as acknowledged. It
is woken twice a group at most, because each time it must wait for the interpreter. On ENOSPC a reserve file is released
so that what is queued can still be committed and sealed; on any other error of the disk the process ends at once, because
after a failed sync the kernel may call lost pages clean and a second sync proves nothing.
"""

import asyncio
import os
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters.journal_output import JournalOptions, JournalOutput
from veritape.observer.adapters.storage import Disk, Storage, is_full
from veritape.observer.journal import FRAME_HEADER, Frame

RESERVE_NAME = "reserve"
"""Name, in the journal directory, of the file that is released when the disk is full."""

SEAL_SECONDS = 10
"""Longest wait for a file to be sealed: a disk that takes longer has failed, and the writer tells of that itself."""

PROBE_SECONDS = 5
"""Silence after which the disk is probed: a third of what readiness allows."""

SWITCH_SECONDS = 0.000_5
"""How long the loop may keep the interpreter from the thread (``sys.setswitchinterval``): a group asks for it five times.

With the interpreter's own 5 ms a busy loop delays every commit by up to 25 ms.
"""

HEADER_BYTES = FRAME_HEADER.size
"""What a frame has in a block beside its data."""

MILLISECOND = 1_000_000
"""Nanoseconds in a millisecond."""


@dataclass
class Watermark:
    """How far the journal is durable."""

    frames: int = 0
    """Frames committed since the start."""
    commits: int = 0
    """Calls of ``fdatasync`` for data."""
    bytes_written: int = 0
    """Bytes of all blocks."""
    connection: int = 0
    """Connection of the newest durable frame."""
    sequence: int = 0
    """Its sequence there (OB-506)."""
    synced_ns: int = 0
    """Machine's monotonic clock when a block, or a probe of an idle disk, was last durable."""


class Committed(NamedTuple):
    """A group of frames that is durable."""

    frames: list[Frame]
    """In order."""
    day: str
    """Folder of the file, YYYYMMDD."""
    file: str
    """File name."""
    block: int
    """Block number in the file."""
    queued_ns: int = 0
    """Machine's monotonic clock when the oldest of the frames was queued."""
    durable_ns: int = 0
    """The same when all were durable."""
    sync_ns: int = 0
    """How long ``fdatasync`` took."""


LastWords = Callable[[int, int], Frame]
"""Connection and sequence of the last durable frame -> what to write before the file is sealed on a full disk."""


class JournalWriter:
    """Appends frames; acknowledges them once they are durable."""

    def __init__(
        self,
        options: JournalOptions,
        acknowledged: Callable[[Committed], None],
        clock: Clock,
        storage: Storage | None = None,
        last_words: LastWords | None = None,
    ) -> None:
        """Open the writer.

        Args:
            options: settings.
            acknowledged: told each durable group, in the event loop.
            clock: the machine's, whatever clock stamps the frames.
            storage: the disk.
            last_words: makes the frame that tells of a full disk, from its last durable connection and sequence.
        """
        self._options = options
        self._acknowledged = acknowledged
        self._clock = clock
        self._last_words = last_words
        self._output = JournalOutput(options, storage or Disk(), clock)
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Frame] = deque()
        self._queued_bytes = 0
        self._first_ns = 0
        self._turn: list[Frame] = []
        self._turn_bytes = 0
        self._turn_ns = 0
        self._group_ns = 0
        self._lock = threading.Lock()
        self._called = threading.Condition(self._lock)
        self._ripe = threading.Condition(self._lock)
        self._closing = False
        self._sealing = False
        self._sealed = threading.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.watermark = Watermark(synced_ns=clock.monotonic_ns())
        """What is durable so far; read it anywhere, the thread alone writes it."""
        self.stops = 0
        """Times that the queue was full and the socket was not read."""
        self.failed: asyncio.Future[UnavailableError] = self._loop.create_future()
        """Resolves when the disk is full: what was queued is committed and sealed, and the run cannot go on."""
        _reserve(options)
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def oldest_ns(self) -> int | None:
        """Return when the oldest frame that is not durable was queued, by the machine's monotonic clock."""
        return self._first_ns if self._queue else self._turn_ns if self._turn else None

    @property
    def errors(self) -> Counter[str]:
        """Return the calls that the operating system refused: ``write``, ``fsync``, ``rotate``."""
        return self._output.errors

    @property
    def queued_bytes(self) -> int:
        """Return the bytes that wait for the disk."""
        return self._queued_bytes + self._turn_bytes

    def append(self, frame: Frame, *, last: bool = False) -> None:
        """Queue a frame; it is acknowledged later. Behind the ``last`` one of a day the file is sealed."""
        if not self._turn:
            self._turn_ns = self._clock.monotonic_ns()
            self._loop.call_soon(self._hand_over)
        self._turn.append(frame)
        turn_bytes = self._turn_bytes = self._turn_bytes + len(frame.data) + HEADER_BYTES
        options = self._options
        if last or turn_bytes >= options.commit_bytes or self.queued_bytes >= options.queue_bytes:
            self._hand_over(last=last)

    @property
    def has_room(self) -> bool:
        """Tell whether the queue has room."""
        return self._room.is_set()

    async def room(self) -> None:
        """Wait until the queue has room: the caller stops reading its socket meanwhile and drops nothing (OB-456)."""
        await self._room.wait()

    async def seal(self) -> None:
        """Commit what is queued and seal the file; the next frame begins another. A failed disk ends the wait."""
        self._sealed.clear()
        self._hand_over(last=True)
        await asyncio.to_thread(self._sealed.wait, SEAL_SECONDS)

    async def close(self) -> None:
        """Commit what is queued, seal the file, end the thread."""
        self._hand_over(closing=True)
        await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)

    def _hand_over(self, *, last: bool = False, closing: bool = False) -> None:
        """Give the thread what the loop's turn appended."""
        if not (self._turn or last or closing):
            return
        with self._lock:
            self._sealing = self._sealing or last
            self._closing = self._closing or closing
            if not self._queue:
                self._first_ns = self._turn_ns
                self._called.notify()
            self._queue += self._turn
            self._queued_bytes += self._turn_bytes
            self._turn, self._turn_bytes = [], 0
            if self._is_due():
                self._ripe.notify()
            if self._queued_bytes >= self._options.queue_bytes and self.has_room:
                self._room.clear()
                self.stops += 1

    def _run(self) -> None:
        group: list[Frame] = []
        try:
            while (group := self._take()) or not self._closing:
                if group:
                    self._write(group)
                elif not (self._sealing or self._closing):
                    self._probe()
                self._seal_when_asked()
            self._output.seal()
        except OSError as error:
            self._stop_if_broken(error)
            self._give_up(error, group)
        except BaseException as error:  # noqa: BLE001 - the top of a thread: a recorder without its writer must end
            traceback.print_exc()
            crash(f"veritape: journal: {type(error).__name__} in the writer thread: a bug; stopped at once")

    def _probe(self) -> None:
        """See whether the disk still takes a write; a full one may have room again before a frame comes."""
        try:
            self._output.probe()
        except OSError as error:
            self._stop_if_broken(error)
        else:
            self.watermark.synced_ns = self._clock.monotonic_ns()

    def _seal_when_asked(self) -> None:
        with self._lock:
            due = self._sealing and not self._queue
            self._sealing = self._sealing and not due
        if due:
            self._output.seal()
            self._sealed.set()

    def _stop_if_broken(self, error: OSError) -> None:
        if not is_full(error):
            crash(
                f"veritape: journal: {error.strerror}: {self._options.directory}: the disk failed; stopped at once"
            )

    def _take(self) -> list[Frame]:
        """Return the next group: everything queued ``commit_ms`` after its first frame; empty when there was none."""
        with self._lock:
            if not (self._queue or self._closing or self._sealing):
                self._called.wait(PROBE_SECONDS)
            if self._queue:
                self._ripe.wait_for(self._is_due, self._seconds_left())
            group = self._next_group()
            self._group_ns, self._first_ns = self._first_ns, self._clock.monotonic_ns()
            has_room = self.has_room
        if not has_room:
            self._loop.call_soon_threadsafe(self._room.set)
        return group

    def _next_group(self) -> list[Frame]:
        """Take frames off the queue until a block is full: mostly all of them."""
        size, group = 0, []
        if self._queued_bytes <= self._options.commit_bytes:
            group, size = list(self._queue), self._queued_bytes
            self._queue.clear()
        while self._queue and size < self._options.commit_bytes:
            frame = self._queue.popleft()
            size += len(frame.data) + HEADER_BYTES
            group.append(frame)
        self._queued_bytes -= size
        return group

    def _is_due(self) -> bool:
        return self._closing or self._queued_bytes >= self._options.commit_bytes

    def _seconds_left(self) -> float:
        """Return how long the oldest frame may still wait for others: it waited while the group before was synced."""
        waited_ns = self._clock.monotonic_ns() - self._first_ns
        return max(0, self._options.commit_ms * MILLISECOND - waited_ns) / NANOSECONDS

    def _write(self, group: list[Frame]) -> None:
        place = self._output.write(group)
        self.watermark.commits += 1
        self.watermark.bytes_written = self._output.bytes_written
        self.watermark.connection, self.watermark.sequence = group[-1].connection, group[-1].sequence
        self.watermark.frames += len(group)
        self.watermark.synced_ns = durable_ns = self._clock.monotonic_ns()
        committed = Committed(group, *place, self._group_ns, durable_ns, self._output.sync_ns)
        self._loop.call_soon_threadsafe(self._acknowledged, committed)

    def _give_up(self, error: OSError, group: list[Frame]) -> None:
        """Release the reserve, commit what did not fit and what is queued, seal, and report a full disk (OB-510)."""
        self._closing = True
        (self._options.directory / RESERVE_NAME).unlink(missing_ok=True)
        try:
            while group := group or self._take():
                self._write(group)
                group = []
            if self._last_words is not None:
                self._write([self._last_words(self.watermark.connection, self.watermark.sequence)])
            self._output.seal()
        except OSError as again:  # it stays full: what is acknowledged is durable, the rest never was
            self._stop_if_broken(again)
        done = self.watermark
        message = (
            f"journal: {error.strerror}: {self._options.directory}: {done.frames} frames are durable, the last one"
            f" is {done.sequence} of connection {done.connection}; free some space and start again"
        )
        self._loop.call_soon_threadsafe(_resolve, self.failed, UnavailableError(message))


def crash(message: str) -> None:
    """End the process at once, saying why: after a failed sync nothing may be believed (OB-511)."""
    os.write(2, message.encode() + b"\n")
    os._exit(1)


def _reserve(options: JournalOptions) -> None:
    options.directory.mkdir(parents=True, exist_ok=True)
    path = options.directory / RESERVE_NAME
    if path.exists() or not options.reserve_bytes:
        return
    with path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, options.reserve_bytes)
        except OSError as error:
            path.unlink()
            raise UnavailableError(
                f"journal: {error.strerror}: no room for the reserve of {options.reserve_bytes >> 20} MiB in {options.directory}"
            ) from error


def _resolve(future: "asyncio.Future[UnavailableError]", error: UnavailableError) -> None:
    if not future.done():
        future.set_result(error)
