"""The writing side of a recording: frames and notes into the journal, durable frames into the recorder.

Nothing is parsed for the ledger before it is durable: ``acknowledged`` is the only path from the journal to the
recorder, in a running process as after a restart.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from veritape.kernel.clock import Clock, SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters.checkpoints import Checkpoint
from veritape.observer.adapters.control_database import open_control
from veritape.observer.adapters.control_index import ControlIndex
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.journal_recovery import Recovered, recover
from veritape.observer.adapters.journal_writer import Committed, JournalWriter
from veritape.observer.adapters.quarantine import Quarantine
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.storage import Storage
from veritape.observer.control import CHECKPOINT
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind, note
from veritape.observer.recorder import Applied, kst

OWN_CONNECTION = 0
"""Connection number of the recorder's own notes."""


class VenueRecording(Protocol):
    """What the daybook needs of a venue's recording on disk (OB-901)."""

    @property
    def data(self) -> Path:
        """Return the data directory."""
        ...

    @property
    def venue(self) -> str:
        """Return the venue's name."""
        ...

    @property
    def journal_folder(self) -> Path:
        """Return where the venue's journal lies."""
        ...

    def days(self) -> list[str]:
        """Return every day with a journal."""
        ...

    def loading(self, days: Iterable[str], checkpoint: Checkpoint | None = None) -> Iterator[int]:
        """Return what rebuilds the recorder from the journal step by step: each turn gives the frames that it read."""
        ...

    def checkpoint(self) -> Checkpoint | None:
        """Return the present state with its place in the journal, None when there is nothing to keep."""
        ...

    def apply_all(self, frames: Sequence[Frame]) -> Iterator[tuple[Frame, Applied]]:
        """Hand durable frames to the venue's memory; return what they did, of several together with the last of them."""
        ...

    def note_block(self, day: str, file: str, number: int) -> None:
        """Remember that a journal block holds frames of a day."""
        ...


RecordingT = TypeVar("RecordingT", bound=VenueRecording)


class VenueDaybook(Generic[RecordingT]):
    """One recording that is being written."""

    def __init__(
        self,
        recording: RecordingT,
        options: JournalOptions,
        clock: Clock,
        applied: Callable[[Applied], None],
        storage: Storage | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Recover the journal and open the writer; ``loaded`` rebuilds the recorder meanwhile (OB-509).

        Args:
            recording: the data folder.
            options: how the journal is written.
            clock: stamps the frames.
            applied: told what the durable frames did.
            storage: the disk.
            say: told in one line what people should know.
        """
        self.recording = recording
        self._clock = clock
        self._applied = applied
        self._sequence = 0
        self._appended = 0
        self._progress = asyncio.Event()
        self._acknowledged_frames = 0
        self._quarantine = Quarantine(recording.data / "quarantine", say)
        self.committed: Callable[[Committed], None] = lambda _committed: None
        """Told of every durable group."""
        self.recovered: list[Recovered] = recover(recording.journal_folder, recording.data / "quarantine")
        """What recovery found."""
        database, self.control_moved_to = open_control(
            recording.data, lambda empty: ControlIndex(empty, recording.data, recording.venue).rebuild()
        )
        self.index = ControlIndex(database, recording.data, recording.venue)
        """The rows of control.db."""
        self._waiting: deque[Committed] | None = deque()
        self._reading = recording.loading(recording.days()[-1:], self._last_checkpoint())
        self.writer = JournalWriter(options, self._acknowledged, SystemClock(), storage, self._disk_full)
        self.loaded = asyncio.create_task(self._load())
        """Reads the newest day's journal again while new frames are written; its result is the number of frames."""
        self.note(NoteKind.STARTED)

    @property
    def failed(self) -> "asyncio.Future[UnavailableError]":
        """Return the future that resolves when the disk is full."""
        return self.writer.failed

    @property
    def lag_frames(self) -> int:
        """Return the frames that are not durable yet."""
        return self._appended - self._acknowledged_frames

    def frame(self, kind: Kind, connection: int, sequence: int, data: bytes, *, last: bool = False) -> None:
        """Stamp and queue one message; behind the last one of a day the journal file is sealed."""
        self._appended += 1
        stamped = (kind, connection, sequence, self._clock.wall_ns(), self._clock.monotonic_ns(), data)
        self.writer.append(_new(Frame, stamped), last=last)

    def note(self, kind: NoteKind, **facts: Any) -> None:
        """Write what the recorder itself knows; the end of a day seals the journal file, so that it can be backed up."""
        self.own(Kind.NOTE, note(kind, **facts), last=kind is NoteKind.CLOSED)

    def own(self, kind: Kind, data: bytes, *, last: bool = False) -> None:
        """Write a frame that came over no connection of the stream: a note, or a REST body."""
        self._sequence += 1
        self.frame(kind, OWN_CONNECTION, self._sequence, data, last=last)

    def now(self) -> tuple[str, int]:
        """Return Seoul's date and second of the day."""
        return kst(self._clock.wall_ns())

    def observe(self, day: str, name: str, value: str) -> None:
        """Keep a number that was measured on the account, with its date (OB-007)."""
        self.note(NoteKind.OBSERVATION, day=day, name=name, value=value)
        self.index.observed(day, name, value, self._clock.wall_ns())

    async def flush(self) -> None:
        """Wait until everything appended so far is durable and applied; returns at once when the disk has failed."""
        target = self._appended
        while self._acknowledged_frames < target and not self.failed.done():
            self._progress.clear()
            waiting = asyncio.create_task(self._progress.wait())
            either: set[asyncio.Future[Any]] = {waiting, self.failed}
            if not self.loaded.done():
                either.add(self.loaded)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self.loaded.done():
                self.loaded.result()

    async def close(self) -> None:
        """Make everything durable, seal the journal file, close control.db."""
        await self.writer.close()
        self.loaded.cancel()
        await asyncio.wait([self.loaded])
        if not self.loaded.cancelled():
            self.loaded.result()
        with contextlib.suppress(OSError) if self.failed.done() else contextlib.nullcontext():
            self.index.database.close()

    def checkpoint(self, day: str) -> None:
        """Keep the recorder's state: a restart reads the journal from here (OB-509)."""
        found = self.recording.checkpoint()
        if found is not None:
            row = {"venue": self.recording.venue, "day": day, "file": found.file, "block": found.block}
            row |= {"state": found.state, "taken_ns": self._clock.wall_ns()}
            self.index.database.replace(CHECKPOINT, [row], venue=self.recording.venue)

    def _last_checkpoint(self) -> Checkpoint | None:
        rows = self.index.database.rows(CHECKPOINT, venue=self.recording.venue)
        return (
            Checkpoint(rows[-1]["day"], rows[-1]["file"], rows[-1]["block"], rows[-1]["state"])
            if rows
            else None
        )

    async def _load(self) -> int:
        frames = 0
        for read in self._reading:
            frames += read
            await asyncio.sleep(0)
        while self._waiting:
            self._apply(self._waiting.popleft())
            await asyncio.sleep(0)
        self._waiting = None
        return frames

    def _acknowledged(self, committed: Committed) -> None:
        self.committed(committed)
        if self._waiting is None:
            self._apply(committed)
        else:
            self._waiting.append(committed)

    def _disk_full(self, connection: int, sequence: int) -> Frame:
        """Return the journal's last frame (OB-510); called by the writer's thread."""
        self._sequence += 1
        data = note(NoteKind.DISK_FULL, connection=connection, sequence=sequence)
        stamps = (self._clock.wall_ns(), self._clock.monotonic_ns())
        return Frame(Kind.NOTE, OWN_CONNECTION, self._sequence, *stamps, data)

    def _apply(self, committed: Committed) -> None:
        for frame, applied in self.recording.apply_all(committed.frames):
            if applied.refusal is not None:
                self._quarantine.add(frame, applied.refusal)
            self._applied(applied)
        self.recording.note_block(committed.day, committed.file, committed.block)
        self._acknowledged_frames += len(committed.frames)
        self._progress.set()


_new = tuple.__new__
"""Makes a named tuple from its values in order, in half of the time."""

Daybook = VenueDaybook[Recording]
"""The daybook of a KIS recording."""
