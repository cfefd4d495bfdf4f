"""Moves the groups of outbox files into the ledger (GW-664): one a machine, for the workers that live and those that died.

Every step may be repeated: the ledger knows an event by its id. So nothing is remembered on disk; after a restart the files
are read from their beginning. A boot is closed in the ledger when its last file is drained and no lock says that it lives;
only then does the last file go.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from veritape.gateway.adapters.ledgers import UsageLedger
from veritape.gateway.outbox import (
    BAD_SUFFIX,
    GROUP_LIMIT_BYTES,
    HEADER_BYTES,
    SUFFIX,
    End,
    is_newer,
    read_file_name,
    read_groups,
    read_header,
)
from veritape.gateway.usage import UsageEvent
from veritape.kernel.errors import PeerError, UnavailableError

PIECE_BYTES: Final = 4 * GROUP_LIMIT_BYTES
"""Read of a file at a time, and written in one transaction."""


class Drained(NamedTuple):
    """What one pass did."""

    drained: int = 0
    """Events that are in the ledger now and were not before."""
    duplicates: int = 0
    """Events that were there already."""
    bad_files: int = 0
    """Damaged files that were put aside."""
    oldest_us: int = 0
    """Wall clock of the oldest event that waits because the ledger cannot be written; 0: none waits."""
    failure: UnavailableError | None = None
    """Why."""


class _StoppedError(Exception):
    """The ledger cannot be written: what is left of this file waits."""


class Drainer:
    """Reads the outbox files of one folder into a ledger."""

    def __init__(self, folder: Path, ledger: UsageLedger, report: Callable[[str], None]) -> None:
        """Look after a folder.

        Args:
            folder: of the outbox files; it need not be there yet.
            ledger: where the events go.
            report: told of damaged files, one line.
        """
        self._folder, self._ledger, self._report = folder, ledger, report
        self._offsets: dict[str, int] = {}
        self._left: set[str] = set()
        self._pass, self._turn = Drained(), threading.Lock()
        self.closed_boots = 0
        """Boots closed so far."""

    def drain(self) -> Drained:
        """Read every file to its present end."""
        with self._turn:
            return self._drain()

    def _drain(self) -> Drained:
        self._pass = Drained()
        named = ((read_file_name(path.name), path) for path in self._folder.glob(f"[!.]*{SUFFIX}"))
        files = sorted((name, path) for name, path in named if name is not None)
        for boot, of_boot in groupby(files, key=lambda file: file[0].boot):
            with contextlib.suppress(_StoppedError):
                self._drain_boot(boot, [path for _, path in of_boot])
        return self._pass

    def _drain_boot(self, boot: bytes, paths: Sequence[Path]) -> None:
        """Drain a boot's files in order; close the boot when none is locked and the ledger can be written."""
        left = [path for path in paths if not self._drain_file(path, boot)]
        if left or self._pass.failure is not None:
            return
        try:
            self._ledger.close_boot(boot)
        except UnavailableError as error:
            self._pass = self._pass._replace(failure=error)
            return
        self.closed_boots += 1
        for path in paths:
            path.unlink(missing_ok=True)
            self._offsets.pop(path.name, None)

    def _drain_file(self, path: Path, boot: bytes) -> bool:
        """Read a file to its end; tell whether its writer is gone. The lock is asked for before the end is looked for."""
        with _opened(path) as file:
            gone = _is_free(file)
            end = self._read(path.name, file, boot)
        if end is End.NEWER:
            self._leave(path)
            return False
        if gone and end is End.DAMAGED:
            self._put_aside(path)
        return gone

    def _read(self, name: str, file: int, boot: bytes) -> End:
        if name not in self._offsets:
            header = os.pread(file, HEADER_BYTES, 0)
            if is_newer(header):
                return End.NEWER
            try:
                if read_header(header) != boot:
                    return End.DAMAGED
            except PeerError:
                return End.DAMAGED
            self._offsets[name] = HEADER_BYTES
        while True:
            piece = os.pread(file, PIECE_BYTES, self._offsets[name])
            found = read_groups(piece, boot)
            self._store([event for group in found.groups for event in group])
            self._offsets[name] += found.bytes_read
            if found.end is End.DAMAGED or not found.bytes_read or len(piece) < PIECE_BYTES:
                return found.end

    def _store(self, events: Sequence[UsageEvent]) -> None:
        """Write to the ledger; after its first failure only note how old what waits is."""
        if not events:
            return
        if self._pass.failure is None:
            try:
                fresh = self._ledger.write(events)
            except UnavailableError as error:
                self._pass = self._pass._replace(failure=error)
            else:
                duplicates = self._pass.duplicates + len(events) - fresh
                self._pass = self._pass._replace(drained=self._pass.drained + fresh, duplicates=duplicates)
                return
        oldest_us = min(self._pass.oldest_us or events[0].at_us, events[0].at_us)
        self._pass = self._pass._replace(oldest_us=oldest_us)
        raise _StoppedError

    def _leave(self, path: Path) -> None:
        """Keep a newer program's file as it is, for that program; tell it once."""
        if path.name not in self._left:
            self._left.add(path.name)
            self._report(
                f"outbox_version: {path} was written by a newer veritape; its charges wait there: start the newer one, it drains them"
            )

    def _put_aside(self, path: Path) -> None:
        """Keep a damaged file for a person to look at."""
        path.rename(path.with_name(path.name + BAD_SUFFIX))
        self._offsets.pop(path.name, None)
        self._pass = self._pass._replace(bad_files=self._pass.bad_files + 1)
        self._report(
            f"outbox_bad: {path} is damaged; what came before the damage is in the ledger, the file is kept as {path.name}{BAD_SUFFIX}"
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def _is_free(file: int) -> bool:
    """Tell whether nobody holds a file's lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
