"""Passwords that lie in files, so that they stand in no setting."""

from pathlib import Path

from veritape.kernel.errors import MisuseError


def read_password(file: Path | None, setting: str) -> str | None:
    """Return the first line of a file, None when there is no file.

    Args:
        file: names the password.
        setting: table of the settings that names the file, for the message.

    Raises:
        MisuseError: it cannot be read.
    """
    try:
        return file.read_text().partition("\n")[0] if file else None
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no text"
        raise MisuseError(f"{setting}.password_file: cannot read {file}: {cause}") from error
