"""What this machine knows of its backups: the folder ``backup/`` of the data directory.

For each target the manifests that were written, each with the objects that were read back and hashed there: only what stands
here may be deleted (OB-732). Beside them how the last backup and the last drill went.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from veritape.kernel.canonical import canonical_json
from veritape.kernel.errors import PeerError, UnavailableError
from veritape.kernel.files import write_atomically
from veritape.observer import manifests
from veritape.observer.manifests import Link, Manifest, Written

TARGET_DIGITS = 8
"""Hex digits of the hash of a target's address that name its folder."""


class State(BaseModel):
    """How the last runs went; wall clock of the recorder, 0 for never."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    backup_ns: int = 0
    """Last backup of every day that was over."""
    backup_failures: int = 0
    """Backups that failed since."""
    backup_failed_ns: int = 0
    """The last one of them."""
    drill_ns: int = 0
    """Last drill that passed."""
    drill_failed_ns: int = 0
    """Last drill that did not; 0 after one that passed."""
    target_ns: int = 0
    """When the recorder first ran with a target: what is overdue counts from here."""

    @property
    def failing(self) -> bool:
        """Whether the last backup or the last drill failed."""
        return bool(self.backup_failures or self.drill_failed_ns)


class Receipt(BaseModel):
    """What was read back when a manifest was written."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    format: Literal["veritape.backup-receipt.v1"] = "veritape.backup-receipt.v1"
    """Name of the document."""
    target: str
    """Address of the target."""
    manifest: Link
    """Which manifest."""
    verified: tuple[str, ...]
    """Objects of it that were read back and had their hash, in this backup or an earlier one."""


class Records:
    """The folder ``backup/``."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "backup"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder: one backup, drill or retention at a time.

        Raises:
            UnavailableError: another process holds it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UnavailableError(
                    f"backup: another backup, drill or retention works in {self._folder}: wait for it"
                ) from error
            yield

    def state(self) -> State:
        """Return how the last runs went; a damaged file counts as none."""
        try:
            return State.model_validate_json((self._folder / "state.json").read_bytes())
        except (OSError, ValidationError):
            return State()

    def change(self, **values: int) -> State:
        """Write down how a run went."""
        state = self.state().model_copy(update=values)
        write_atomically(self._folder / "state.json", canonical_json(state.model_dump()))
        return state

    def wrote(self, target: str, written: Written, verified: set[str]) -> None:
        """Keep a manifest with what was read back of it."""
        folder = self._of(target)
        known = sorted(verified & set(written.manifest.digests()))
        receipt = Receipt(target=target, manifest=written.link, verified=tuple(known))
        write_atomically(folder / f"{written.name}.json", written.content)
        write_atomically(folder / f"{written.name}.receipt.json", canonical_json(receipt.model_dump()))

    def manifest(self, target: str, link: Link) -> bytes | None:
        """Return this machine's copy of a manifest, None unless it is the one that the link names."""
        path = self._of(target) / f"{link.name}.json"
        content = path.read_bytes() if path.exists() else b""
        return content if manifests.digest(content) == link.blake3 else None

    def verified(self, target: str) -> set[str]:
        """Return every object that was read back at a target."""
        return {one for receipt, _ in self._receipts(self._of(target)) for one in receipt.verified}

    def proven(self) -> list[tuple[Receipt, Manifest]]:
        """Return every manifest of every target with its receipt, oldest first."""
        folders = sorted(path for path in self._folder.glob("*") if path.is_dir())
        found = [pair for folder in folders for pair in self._receipts(folder)]
        return sorted(found, key=lambda pair: pair[1].created_ns)

    def _of(self, target: str) -> Path:
        return self._folder / manifests.digest(target.encode())[:TARGET_DIGITS]

    @staticmethod
    def _receipts(folder: Path) -> Iterator[tuple[Receipt, Manifest]]:
        for path in sorted(folder.glob("*.receipt.json")):
            try:
                receipt = Receipt.model_validate_json(path.read_bytes())
                content = path.with_name(f"{receipt.manifest.name}.json").read_bytes()
                if manifests.digest(content) == receipt.manifest.blake3:
                    yield receipt, manifests.parse(content)
            except (OSError, ValidationError, PeerError):
                continue  # a damaged receipt proves nothing: its files stay
