"""Joins the gateway's receipts with the executor's receipt files."""

from collections.abc import Sequence
from pathlib import Path

from veritape.executor.adapters.receipt_files import ReceiptStore, read_receipt
from veritape.executor.metrics import SIMULATED
from veritape.executor.receipts import SUFFIX
from veritape.gateway.readers import Claim, Receipt
from veritape.kernel.errors import VeritapeError
from veritape.stark.hashing import sponge


class ReceiptFolder:
    """The receipts of a run (a ``ReceiptReader``); each file is read once."""

    def __init__(self, folder: Path) -> None:
        self._store = ReceiptStore(folder, sponge)
        self._read: dict[tuple[str, int], Receipt] = {}

    def receipts(self) -> Sequence[Receipt]:
        """Return every receipt that can be read, by id."""
        found = []
        for path, _, key in self._store.names():
            try:
                created_ns = path.stat().st_mtime_ns
                found.append(self._receipt(path, key.day, created_ns))
            except (OSError, VeritapeError):
                continue  # damaged or gone: the executor makes it anew
        return found

    def _receipt(self, path: Path, day: str, created_ns: int) -> Receipt:
        known = self._read.get((path.name, created_ns))
        if known is not None:
            return known
        receipt = read_receipt(path, sponge)
        claim = Claim(receipt.claim.program_id.hex(), receipt.claim.input_digest.hex(), receipt.journal.hex())
        made = Receipt(
            path.name.removesuffix(SUFFIX), SIMULATED, day, created_ns, len(receipt.to_bytes()), (claim,)
        )
        self._read[path.name, created_ns] = made
        return made
