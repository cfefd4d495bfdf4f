"""Execute a program and state what it did: the simulator as one value (EX-341's trace backend in its first form)."""

from dataclasses import dataclass

from veritape.executor.image import Image
from veritape.executor.receipts import SimulatedReceipt, receipt_of
from veritape.executor.vm.execution import DEFAULT_LIMITS, DebugSink, Limits, Machine
from veritape.kernel.errors import MisuseError
from veritape.stark.hashing import Sponge


@dataclass(frozen=True)
class Simulator:
    """A machine and a sponge, readable or compiled: they agree, so the receipts are the same."""

    machine: Machine
    """Executes."""
    sponge: Sponge
    """Hashes."""

    def run(
        self,
        image: Image,
        input_bytes: bytes,
        limits: Limits = DEFAULT_LIMITS,
        debug: DebugSink | None = None,
    ) -> SimulatedReceipt:
        """Return the receipt of one execution.

        Raises:
            MisuseError: the input is over its limit.
            PeerError: the guest trapped; a trap yields no claim.
        """
        if len(input_bytes) > limits.input_bytes:
            raise MisuseError(
                f"input_too_large: {len(input_bytes)} bytes, at most {limits.input_bytes}: split the input"
            )
        return receipt_of(image, input_bytes, self.machine(image, input_bytes, limits, debug), self.sponge)
