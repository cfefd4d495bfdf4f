"""Execute a simulated receipt again and compare: all that can be checked of an execution that was not proven."""

from veritape.executor.backend import Simulator
from veritape.executor.claims import program_id
from veritape.executor.digests import Tag, bytes_digest
from veritape.executor.image import Image
from veritape.executor.receipts import ReceiptReason, SimulatedReceipt


def recheck(
    receipt: SimulatedReceipt, image: Image, input_bytes: bytes, simulator: Simulator
) -> ReceiptReason | None:
    """Return why a receipt is not what executing again gives, None when the claims are equal."""
    if receipt.claim.program_id != program_id(image, simulator.sponge):
        return ReceiptReason.PROGRAM_MISMATCH
    if receipt.claim.input_digest != bytes_digest(Tag.INPUT, input_bytes, simulator.sponge):
        return ReceiptReason.INPUT_MISMATCH
    execution = simulator.machine(image, input_bytes)
    if execution.exit_code is None:
        return ReceiptReason.GUEST_FAILED
    return (
        None if simulator.receipt(image, input_bytes, execution) == receipt else ReceiptReason.CLAIM_MISMATCH
    )
