"""Receipts on disk: one file each, written once and whole."""

from pathlib import Path

from veritape.executor.receipts import MAX_FILE_BYTES, SimulatedReceipt, parse_receipt
from veritape.executor.tapes import TapeKey, parse_receipt_name, receipt_name
from veritape.kernel.errors import MisuseError, PeerError
from veritape.kernel.files import write_atomically
from veritape.stark.hashing import Sponge


class ReceiptStore:
    """The receipts folder of a run; made when the first receipt is written."""

    def __init__(self, folder: Path, sponge: Sponge) -> None:
        self._folder = folder
        self.sponge = sponge
        """Reads receipts."""

    def path(self, program: str, key: TapeKey) -> Path:
        """Return where a program's receipt over a tape lies."""
        return self._folder / receipt_name(program, key)

    def has(self, program: str, key: TapeKey) -> bool:
        """Tell whether that receipt was written and can be read; a damaged one is made anew."""
        path = self.path(program, key)
        if not path.exists():
            return False
        try:
            read_receipt(path, self.sponge)
        except PeerError:
            return False
        return True

    def write(self, program: str, key: TapeKey, receipt: SimulatedReceipt) -> None:
        """Write a receipt durably."""
        write_atomically(self.path(program, key), receipt.to_bytes())

    def delete_before(self, day: str) -> int:
        """Delete the receipts of days before this one; return how many.

        Raises:
            OSError: one cannot be deleted.
        """
        old = [path for path, _, key in self.names() if key.day < day]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def names(self) -> list[tuple[Path, str, TapeKey]]:
        """Return path, program and tape of every receipt, by name."""
        paths = sorted(self._folder.glob("*"))
        return [(path, *named) for path in paths if (named := parse_receipt_name(path.name))]


def read_receipt(path: Path, sponge: Sponge) -> SimulatedReceipt:
    """Return the simulated receipt of a file.

    Raises:
        MisuseError: the file cannot be read.
        PeerError: it is no simulated receipt, or damaged.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise MisuseError(f"cannot read {path}: {error.strerror}") from error
    return parse_receipt(data, sponge)
