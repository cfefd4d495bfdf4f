"""Executing a receipt again."""

from dataclasses import replace

from tests import rv32
from tests.compiled import READABLE

from veritape.executor.claims import program_id
from veritape.executor.receipts import ReceiptReason
from veritape.executor.rechecking import recheck

IMAGE = rv32.image([*rv32.call(1, rv32.RAM, 4), *rv32.halt()])
RECEIPT = READABLE.run(IMAGE, b"data")


def test_an_honest_receipt_matches() -> None:
    """EX-311: executing again gives the same claim."""
    assert recheck(RECEIPT, IMAGE, b"data", READABLE) is None


def test_each_lie_is_found() -> None:
    """EX-715: another program, another input, one cycle more, a guest that traps."""
    lie = replace(RECEIPT, claim=replace(RECEIPT.claim, cycles=RECEIPT.claim.cycles + 1))
    trap = rv32.image([rv32.EBREAK])
    trapped = replace(RECEIPT, claim=replace(RECEIPT.claim, program_id=program_id(trap, READABLE.sponge)))
    assert recheck(RECEIPT, trap, b"data", READABLE) is ReceiptReason.PROGRAM_MISMATCH
    assert recheck(RECEIPT, IMAGE, b"dat", READABLE) is ReceiptReason.INPUT_MISMATCH
    assert recheck(lie, IMAGE, b"data", READABLE) is ReceiptReason.CLAIM_MISMATCH
    assert recheck(trapped, trap, b"data", READABLE) is ReceiptReason.GUEST_FAILED
