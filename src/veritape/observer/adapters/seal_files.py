"""A folder of sealed files: what is written once, read-only, with the chain of its seals (OB-555, OB-558)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from blake3 import blake3

from veritape.kernel.canonical import canonical_json
from veritape.kernel.files import write_atomically
from veritape.observer import seals
from veritape.observer.adapters.journal_files import SEALED_MODE

PARQUET = ".parquet"
"""Suffix of a sealed file."""

Document = dict[str, Any]

Read = Callable[[bytes], Document | None]
"""Reads a seal; None for any bytes that are none."""


class SealedFolder:
    """The sealed files of one venue, a folder a day."""

    def __init__(self, folder: Path, read: Read) -> None:
        self.folder = folder
        """Holds ``day=YYYYMMDD`` folders."""
        self._read = read
        self._head: str | None = None

    def seals(self, day: str | None = None) -> list[tuple[Path, Document]]:
        """Return every sealed file with its readable seal, of one day or all, by day, hour and part."""
        found = [
            (path.with_name(path.name.removesuffix(seals.SUFFIX) + PARQUET), document)
            for path in self._paths(day)
            if (document := self._read(path.read_bytes())) is not None
        ]
        return sorted(found, key=lambda one: (one[1]["day"], one[1]["hour"], one[1]["part"]))

    def unreadable(self, day: str) -> list[Path]:
        """Return the files of a day that are named like seals and are none."""
        return [path for path in self._paths(day) if self._read(path.read_bytes()) is None]

    def next_file(self, day: str, hour: int) -> tuple[Path, int]:
        """Return the path and the part of an hour's next file."""
        part = sum(document["hour"] == hour for _, document in self.seals(day))
        return self.folder / f"day={day}" / f"{seals.file_stem(hour, part)}{PARQUET}", part

    def head(self) -> str:
        """Return the BLAKE3 of the seal document that the next one follows, empty before the first."""
        if self._head is None:
            self._head = seals.chain_head(self._hashed())
        return self._head

    def problems(self) -> set[str]:
        """Return the hashes of seals that break the chain."""
        return seals.chain_problems(self._hashed())

    def publish(self, path: Path, content: bytes, document: Document) -> None:
        """Write a file, then the seal that names its hash; the next seal follows this one."""
        write_atomically(path, content, SEALED_MODE)
        seal = canonical_json(document)
        write_atomically(seal_path(path), seal, SEALED_MODE)
        self._head = blake3(seal).hexdigest()

    def _hashed(self) -> list[tuple[str, Document]]:
        return [(seal_hash(path), document) for path, document in self.seals()]

    def _paths(self, day: str | None) -> list[Path]:
        return sorted(self.folder.glob(f"day={day or '*'}/*{seals.SUFFIX}"))


def seal_path(file: Path) -> Path:
    """Return where the seal of a file lies."""
    return file.with_name(file.name.removesuffix(PARQUET) + seals.SUFFIX)


def seal_hash(file: Path) -> str:
    """Return the BLAKE3 of a file's seal document: what the next one names as its previous."""
    return blake3(seal_path(file).read_bytes()).hexdigest()
