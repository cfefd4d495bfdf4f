"""The audit log's files: ``audit/YYYY.jsonl``, shared by every process and command of a data folder (TL-660, TL-668)."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import CheckFailedError, UnavailableError
from veritape.kernel.files import sync_directory
from veritape.telemetry.audit_log import (
    LINE_LIMIT_BYTES,
    START,
    AuditKind,
    Entry,
    Head,
    head_of,
    record_line,
    verify,
)

FOLDER: Final = "audit"
"""Name of the log's folder in a data folder."""

MODE: Final = 0o600
"""Permission bits of the files."""


class AuditFiles:
    """Appends records, each durable before the call returns."""

    def __init__(self, data_folder: Path, clock: Clock) -> None:
        self._folder = data_folder / FOLDER
        self._clock = clock

    def append(self, *entries: Entry) -> Head:
        """Append records and make them durable; do what they tell of only afterwards.

        A line that a crash left incomplete is cut first, and a record says so.

        Raises:
            UnavailableError: the log cannot be written, or its last record is damaged: what was to be done is refused.
        """
        try:
            with self._locked():
                return self._append(entries)
        except (OSError, CheckFailedError) as error:
            raise UnavailableError(f"the audit log {self._folder} cannot be written: {error}") from error

    def lines(self, after: int = 0) -> Iterator[bytes]:
        """Yield every line, oldest first; a file is read from its start, wherever ``after`` is."""
        del after
        for path in log_files(self._folder):
            with path.open("rb") as lines:
                yield from lines

    def verify(self) -> Head:
        """Check the chain from its first record; return where it stands.

        Raises:
            CheckFailedError: a line does not follow; the message names file and line.
        """
        return verify_files(self._folder.parent)

    def _append(self, entries: Sequence[Entry]) -> Head:
        files = log_files(self._folder)
        torn_bytes = _cut_torn_line(files[-1]) if files else 0
        if torn_bytes:
            cut = Entry(AuditKind.PROCESS_STARTED, "audit", files[-1].name, {"torn_bytes_cut": torn_bytes})
            entries = (cut, *entries)
        last = next((lines[-1] for path in reversed(files) if (lines := _last_lines(path))), None)
        head = head_of(last) if last else START
        now_ns = self._clock.wall_ns()
        text = b""
        for entry in entries:
            line, head = record_line(head, entry, now_ns)
            text += line
        year = datetime.fromtimestamp(now_ns // NANOSECONDS, UTC).year
        _write(max([self._folder / f"{year:04}.jsonl", *files]), text)
        return head

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def log_files(folder: Path) -> list[Path]:
    """Return the log's files, oldest first."""
    return sorted(folder.glob("[0-9][0-9][0-9][0-9].jsonl"))


def verify_files(data_folder: Path) -> Head:
    """Check the chain of a data folder from its first record; return where it stands.

    Raises:
        CheckFailedError: a line does not follow; the message names file and line.
    """
    head = START
    for path in log_files(data_folder / FOLDER):
        with path.open("rb") as lines:
            try:
                head = verify(lines, head)
            except CheckFailedError as error:
                raise CheckFailedError(f"{FOLDER}/{path.name}: {error.message}") from error
    return head


def _last_lines(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 2 * LINE_LIMIT_BYTES))
        return file.read().splitlines(keepends=True)


def _cut_torn_line(path: Path) -> int:
    """Cut what a crash left of a line at the end of a file; return how many bytes that were."""
    lines = _last_lines(path)
    if not lines or lines[-1].endswith(b"\n"):
        return 0
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - len(lines[-1]))
        os.fsync(file.fileno())
    return len(lines[-1])


def _write(path: Path, text: bytes) -> None:
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        if os.write(descriptor, text) != len(text):
            raise OSError(f"{path} took only a part of a record")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_directory(path.parent)
