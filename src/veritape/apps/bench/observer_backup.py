"""Rows of the copy elsewhere: hashing, and the backup and drill of a day (OB-764, OB-1042)."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from veritape.apps.bench.observer_tape import DAY, folder, write_journal
from veritape.apps.bench.results import Row, Size, rates, timed
from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import SystemClock
from veritape.kernel.files import write_atomically
from veritape.observer.adapters.backup.drilling import drill
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.sending import How, Sending
from veritape.observer.adapters.backup.source import Source
from veritape.observer.adapters.backup.targets import FolderTarget
from veritape.observer.adapters.journal_recovery import recover
from veritape.observer.adapters.recording import Recording

HASHED_BYTES = 256 << 20
"""Size of the file that is hashed: a full journal file."""

GIGABYTE = 10**9
"""What hashing is counted in."""


def backups(size: Size) -> Iterator[Row]:
    """Measure hashing, then the bundled day to a folder and back."""
    with folder() as place:
        yield _hashing(size, place / "large")
        data = recorded(place / "data")
        number = iter(range(1_000))

        def both() -> int:
            target = FolderTarget(place / f"target-{next(number)}")
            records = Records(place / f"records-{next(number)}")
            Sending(Source(data), target, records, How("bench"), SystemClock().wall_ns).run()
            proven = drill(target, DAY, Source(data), place, lambda _what, _bytes: None)
            if not proven.passed:
                raise RuntimeError(f"the drill of the bundled day failed: {proven.differences}")
            return proven.files

        def copy() -> int:
            copied = place / f"copy-{next(number)}"
            shutil.copytree(data, copied)
            return sum(
                bool(blake3(path.read_bytes()).digest()) for path in copied.rglob("*") if path.is_file()
            )

        both()
        values, peers = [], []
        for _ in range(size.runs):
            values.append(timed(both)[1])
            peers.append(timed(copy)[1])
        yield Row("backup_and_drill_seconds", values, "s", "lower", 10, 4, "copy and blake3", peers)


def recorded(data: Path) -> Path:
    """Write the bundled day as the recorder leaves it: sealed journal and segments, an audit report."""
    write_journal(data / "journal" / "KRX" / DAY / "0900-0.vtj")
    recording = Recording(data)
    recover(recording.journal_folder, data / "quarantine")
    recording.load()
    recording.seal_due(DAY, 0, 0, all_hours=True)
    write_atomically(data / "export" / f"audit_{DAY}.json", canonical_json(recording.audit(DAY, 0)))
    return data


def _hashing(size: Size, path: Path) -> Row:
    path.write_bytes(bytes(HASHED_BYTES))

    def own() -> int:
        return Source.entry_of(path.name, path).bytes

    def sha256() -> int:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
        return HASHED_BYTES

    values, peers = rates(size, own, sha256)
    gigabytes = [[one / GIGABYTE for one in many] for many in (values, peers)]
    return Row("backup_hashing", gigabytes[0], "GB/s", target=1, peer="SHA-256", peer_values=gigabytes[1])
