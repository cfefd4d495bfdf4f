"""The permits of an account where every process finds them: one page under an advisory lock (OB-256).

Each look at it locks, reads, decides, writes and unlocks; nothing waits while it holds the lock. A page of another boot,
a damaged one, one that others may read, or one from a clock that ran ahead of ours says nothing about requests in
flight: it is begun anew and nobody asks for a second.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from veritape.kernel.clock import NANOSECONDS
from veritape.kernel.errors import PeerError, UnavailableError
from veritape.observer.pacing import PAUSE_NS, SLOTS, Pace, Slot
from veritape.observer.pacing_page import BOOT_BYTES, PAGE_BYTES, decode_page, encode_page

BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
"""Where the kernel tells which boot this is."""

PRIVATE: Final = 0o600
"""Permission bits of the page."""

TICKS: Final = os.sysconf("SC_CLK_TCK")
"""Clock ticks in a second, the unit of a process's start time."""

START_FIELD: Final = 19
"""Index of the start time among the fields after the command's name in /proc/<pid>/stat."""


class Permits(Protocol):
    """Where permits are kept."""

    @property
    def holder(self) -> int:
        """Return the process id under which permits are taken."""
        ...

    def pace(self) -> AbstractContextManager[Pace]:
        """Give the permits to be read and changed; nobody else sees them meanwhile."""
        ...


class MemoryPermits:
    """Permits of one process alone."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.holder = os.getpid()

    @contextmanager
    def pace(self) -> Iterator[Pace]:
        """Give the permits."""
        yield self._pace


class PermitFile:
    """Permits that every process of an account shares."""

    def __init__(
        self,
        path: Path,
        pace: Pace,
        boot_id: bytes,
        now_ns: int,
        *,
        owner: bool,
        notice: Callable[[str], None],
    ) -> None:
        """Open the page, or begin it.

        Args:
            path: ``pacing-<id>.permits``.
            pace: what a page begins with; its limit and spacing are the settings.
            boot_id: 16 bytes; a page of another one is begun anew.
            now_ns: monotonic.
            owner: whether this is the account's recorder: its start forgets what the last one learned (OB-259).
            notice: told when a page was begun anew, and why.

        Raises:
            UnavailableError: the file cannot be opened.
        """
        self._boot_id, self._spacing, self._notice = boot_id, pace.spacing, notice
        self._seen_ns = now_ns
        self.holder = os.getpid()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        except OSError as error:
            raise UnavailableError(f"{path}: {error.strerror}: the limiter needs it") from error
        self._begun_anew = replace(pace, slots=[Slot()] * SLOTS)
        with self._locked():
            known = self._known(now_ns)
            if owner:
                known = replace(
                    pace,
                    slots=known.slots,
                    seen_ns=known.seen_ns,
                    next_ns=known.next_ns,
                    paused_ns=known.paused_ns,
                )
            self._write(known)

    def close(self) -> None:
        """Close the file; permits in flight return by themselves."""
        os.close(self._file)

    @contextmanager
    def pace(self) -> Iterator[Pace]:
        """Give the permits, locked; a page that something else wrote meanwhile is begun anew."""
        with self._locked():
            try:
                _, pace = decode_page(os.pread(self._file, PAGE_BYTES, 0))
            except PeerError as error:
                self._notice(error.message)
                pace = self._anew(self._seen_ns)
            pace.spacing = self._spacing
            yield pace
            self._seen_ns = pace.seen_ns
            self._write(pace)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _write(self, pace: Pace) -> None:
        os.pwrite(self._file, encode_page(self._boot_id, pace), 0)

    def _anew(self, now_ns: int) -> Pace:
        return replace(self._begun_anew, slots=[Slot()] * SLOTS, paused_ns=now_ns + PAUSE_NS)

    def _known(self, now_ns: int) -> Pace:
        page = os.pread(self._file, PAGE_BYTES + 1, 0)
        if not page:
            return replace(self._begun_anew)
        try:
            _require_private(self._file)
            boot_id, pace = decode_page(page)
        except PeerError as error:
            self._notice(error.message)
            return self._anew(now_ns)
        foreign = boot_id != self._boot_id
        if foreign or pace.seen_ns > now_ns + NANOSECONDS:
            self._notice("it is of another boot" if foreign else "its clock is ahead of this one")
            return self._anew(now_ns)
        return pace


def _require_private(file: int) -> None:
    mode = stat.S_IMODE(os.fstat(file).st_mode)
    if mode & 0o077:
        os.fchmod(file, PRIVATE)
        raise PeerError(f"others could write it (mode {mode:o})")


def machine_boot_id() -> bytes:
    """Return which boot of the machine this is."""
    return bytes.fromhex(BOOT_ID_FILE.read_text().strip().replace("-", ""))[:BOOT_BYTES]


def is_alive(process: int, granted_ns: int) -> bool:
    """Tell whether the process that was granted a permit at a monotonic time still runs: not a later one of its number."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return int(fields[START_FIELD]) * NANOSECONDS // TICKS <= granted_ns + NANOSECONDS
    return False
