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
from veritape.executor.inclusion import InclusionReason
from veritape.executor.inclusion_files import InclusionProof, is_inclusion, read_inclusion
from veritape.executor.proven import ProvenReceipt, read_proven
from veritape.executor.receipts import MAX_FILE_BYTES
from veritape.kernel.errors import PeerError

ACCEPTED: Final[AbstractSet[bytes]] = frozenset()
"""Parameters ids that a proof may have here: none, until there is a verifier."""


def read_proof(path: Path) -> ProvenReceipt | InclusionProof:
    """Return what the file of a proof or of an inclusion proof holds.

    Raises:
        MisuseError: the file cannot be read.
        PeerError: with a ``VerifyReason`` or an ``InclusionReason``; ``detached`` when it has no proof.
    """
    data, sponge = read_file(path, MAX_FILE_BYTES), compiled_simulator().sponge
    if not is_inclusion(data):
        return read_proven(data, ACCEPTED, sponge)
    found, _ = read_inclusion(data, ACCEPTED, sponge)
    if found.whole is None:
        text = "detached: the file has no proof: it shows in which list its claim is, and --detached asks for that alone"
        raise PeerError(text, InclusionReason.DETACHED)
    return found


def read_detached(path: Path) -> tuple[InclusionProof, bytes]:
    """Return what a detached inclusion proof holds, and the digest of the list that its claim is in.

    Raises:
        MisuseError: the file cannot be read.
        PeerError: with a ``VerifyReason`` or an ``InclusionReason``.
    """
    return read_inclusion(read_file(path, MAX_FILE_BYTES), ACCEPTED, compiled_simulator().sponge)
