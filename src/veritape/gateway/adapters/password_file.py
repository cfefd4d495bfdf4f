"""Passwords that lie in files, so that they stand in no setting."""

from pathlib import Path

from veritape.kernel.errors import MisuseError


def read_password(file: Path | None, table: str, key: str = "password_file") -> str | None:
    """Return the first line of a file, None when there is no file.

    Args:
        file: names the password.
        table: table of the settings that names the file, for the message.
        key: its key in that table.

    Raises:
        MisuseError: it cannot be read.
    """
    try:
        return file.read_text().partition("\n")[0] if file else None
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no text"
        raise MisuseError(f"{table}.{key}: cannot read {file}: {cause}") from error
