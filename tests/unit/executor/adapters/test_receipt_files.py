"""Receipts on disk."""

from pathlib import Path

import pytest
from tests import rv32
from tests.compiled import READABLE

from veritape.executor.adapters.receipt_files import ReceiptStore, read_receipt
from veritape.executor.tapes import TapeKey
from veritape.kernel.errors import MisuseError

KEY = TapeKey("KRX", "20131007", "09", "990001")


def test_a_receipt_is_written_once_and_found_again(tmp_path: Path) -> None:
    """EX-312: one file a receipt; a damaged one counts as missing; other files are not receipts."""
    store = ReceiptStore(tmp_path / "receipts", READABLE.sponge)
    receipt = READABLE.run(rv32.image(rv32.halt()), b"")
    assert not store.has("vwap", KEY)
    assert store.names() == []
    store.write("vwap", KEY, receipt)
    path = store.path("vwap", KEY)
    (path.parent / "note.txt").write_text("not ours")
    assert store.has("vwap", KEY)
    assert store.names() == [(path, "vwap", KEY)]
    assert read_receipt(path, READABLE.sponge) == receipt
    path.write_bytes(path.read_bytes()[:-1])
    assert not store.has("vwap", KEY)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """EX-713: a folder, a missing file: one line with the path."""
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(MisuseError, match="cannot read"):
            read_receipt(path, READABLE.sponge)
