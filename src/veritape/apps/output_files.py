"""Files that an option of a command names: written whole, into a folder that is there."""

from pathlib import Path

from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.kernel.files import write_atomically


def write_output(path: Path, data: bytes, option: str) -> None:
    """Write a file that an option names.

    Its folder is not made: a mistyped path would grow folders that nobody looks into.

    Args:
        path: as it was given.
        data: its content.
        option: command and option, as ``audit: --picture``.

    Raises:
        MisuseError: there is no such folder, or the path is one.
        UnavailableError: the disk or the permissions refuse.
    """
    if not path.parent.is_dir():
        raise MisuseError(
            f"{option} {path}: there is no folder {path.parent}: make it first, or name another"
        )
    if path.is_dir():
        raise MisuseError(f"{option} {path}: is a folder: name a file in it")
    try:
        write_atomically(path, data)
    except OSError as error:
        raise UnavailableError(f"{option} {path}: {error.strerror}: choose another path") from error
