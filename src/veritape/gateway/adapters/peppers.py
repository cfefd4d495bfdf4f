"""The pepper: the secret of every stored digest, in a file of mode 0600, and how it is changed (GW-403).

Keys are not stored, so their digests cannot be computed anew. After a change the pepper before stays valid, in
``pepper.previous``, and each key moves to the new one when it is used. Only when none is left can the pepper change again.
"""

import secrets
import stat
from pathlib import Path
from typing import Final

from veritape.gateway.keys import PEPPER_BYTES
from veritape.kernel.errors import MisuseError
from veritape.kernel.files import write_atomically

PREVIOUS: Final = "pepper.previous"
"""File of the pepper before, in the data directory."""

PRIVATE_MODE: Final = 0o600
"""Permission bits of a secret."""


def load_pepper(data_folder: Path, configured: Path | None) -> bytes:
    """Return the pepper: the configured file's bytes, or one made once in the data directory.

    Raises:
        MisuseError: ``pepper_missing``, ``pepper_short`` or ``pepper_mode``.
    """
    path = _present(data_folder, configured)
    if configured is None and not path.exists():
        write_atomically(path, secrets.token_bytes(PEPPER_BYTES), PRIVATE_MODE)
    return read_pepper(path)


def load_peppers(data_folder: Path, configured: Path | None) -> tuple[bytes, ...]:
    """Return the valid peppers, the present one first.

    Raises:
        MisuseError: ``pepper_missing``, ``pepper_short`` or ``pepper_mode``.
    """
    present, path = load_pepper(data_folder, configured), data_folder / PREVIOUS
    previous = read_pepper(path) if path.exists() else present
    return (present,) if previous == present else (present, previous)


def change_pepper(data_folder: Path, configured: Path | None, new: bytes) -> None:
    """Put another pepper in place; the one before stays valid. A crash in between changes nothing.

    Raises:
        MisuseError: the pepper's file cannot be written.
    """
    present = _present(data_folder, configured)
    try:
        write_atomically(data_folder / PREVIOUS, load_pepper(data_folder, configured), PRIVATE_MODE)
        write_atomically(present, new, PRIVATE_MODE)
    except OSError as error:
        raise MisuseError(f"pepper_unwritable: {present}: {error.strerror}") from error


def forget_previous(data_folder: Path) -> None:
    """End the validity of the pepper before."""
    (data_folder / PREVIOUS).unlink(missing_ok=True)


def read_pepper(path: Path) -> bytes:
    """Return a pepper's bytes.

    Raises:
        MisuseError: ``pepper_missing``, ``pepper_short`` or ``pepper_mode``.
    """
    try:
        mode, pepper = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise MisuseError(f"pepper_missing: keys.pepper_file: {path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MisuseError(f"pepper_mode: keys.pepper_file: {path} is readable by others: chmod 600 it")
    if len(pepper) < PEPPER_BYTES:
        raise MisuseError(
            f"pepper_short: keys.pepper_file: {path} has {len(pepper)} bytes, {PEPPER_BYTES} are needed"
        )
    return pepper


def _present(data_folder: Path, configured: Path | None) -> Path:
    return configured or data_folder / "pepper"
