"""What ``verify``, ``aggregate`` and ``inclusion`` do with files of proofs as long as there is no proof system.

Every file is read in the order of EX-316 and the first failure is the answer: a simulated one is refused as
``simulated_not_proven``, and one in the form of a proof ends with ``parameters_not_accepted``, because this installation accepts
no parameters. Nothing relaxes that.
"""

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.apps.program_input import read_file
from veritape.executor.proven import ProvenReceipt, read_proven
from veritape.executor.receipts import MAX_FILE_BYTES

ACCEPTED: Final[AbstractSet[bytes]] = frozenset()
"""Parameters ids that a proof may have here: none, until there is a verifier."""


def read_proof(path: Path) -> ProvenReceipt:
    """Return what a proof's file holds.

    Raises:
        MisuseError: the file cannot be read.
        PeerError: with a ``VerifyReason``.
    """
    return read_proven(read_file(path, MAX_FILE_BYTES), ACCEPTED, compiled_simulator().sponge)
