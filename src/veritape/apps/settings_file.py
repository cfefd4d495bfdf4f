"""The file that ``--config`` names, read the same way by every command."""

from pathlib import Path

from veritape.kernel.errors import MisuseError


def settings_bytes(config: Path | None) -> bytes:
    """Return what a settings file holds; nothing when none is named.

    Raises:
        MisuseError: it cannot be read.
    """
    if config is None:
        return b""
    try:
        return config.read_bytes()
    except OSError as error:
        raise MisuseError(
            f"--config {config}: {error.strerror}: name a TOML file that can be read"
        ) from error
