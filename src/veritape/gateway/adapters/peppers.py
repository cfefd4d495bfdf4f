"""The pepper: the secret of every stored digest, in a file of mode 0600 (GW-403)."""

import secrets
import stat
from pathlib import Path
from typing import Final

from veritape.gateway.keys import PEPPER_BYTES
from veritape.kernel.errors import MisuseError
from veritape.kernel.files import write_atomically

PRIVATE_MODE: Final = 0o600
"""Permission bits of a secret."""


def load_pepper(data_folder: Path, configured: Path | None) -> bytes:
    """Return the pepper: the configured file's bytes, or one made once in the data directory.

    Raises:
        MisuseError: ``pepper_missing``, ``pepper_short`` or ``pepper_mode``.
    """
    path = configured or data_folder / "pepper"
    if configured is None and not path.exists():
        write_atomically(path, secrets.token_bytes(PEPPER_BYTES), PRIVATE_MODE)
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
