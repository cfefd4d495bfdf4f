"""The gateway's view of receipt files."""

from pathlib import Path

from tests import rv32
from tests.compiled import READABLE

from veritape.apps.receipt_reader import ReceiptFolder
from veritape.executor.adapters.receipt_files import ReceiptStore
from veritape.executor.tapes import TapeKey


def test_receipts_are_listed_as_what_they_are(tmp_path: Path) -> None:
    """EX-319: kind simulated, the claim's ids; a damaged file is left out."""
    store = ReceiptStore(tmp_path, READABLE.sponge)
    receipt = READABLE.run(rv32.image(rv32.halt()), b"")
    keys = [TapeKey("KRX", "20131007", "09", code) for code in ("990001", "990002")]
    for key in keys:
        store.write("vwap", key, receipt)
    store.path("vwap", keys[1]).write_bytes(b"damaged")
    folder = ReceiptFolder(tmp_path)
    (one,) = folder.receipts()
    assert (one.id, one.kind, one.day) == ("vwap.KRX.20131007.09.990001", "simulated", "20131007")
    assert one.claims[0].program == receipt.claim.program_id.hex()
    assert folder.receipts() == [one]
