"""No file is accepted as a proof while there is no proof system."""

from pathlib import Path

import pytest
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO

from veritape.apps.proof_files import ACCEPTED, read_proof
from veritape.executor.proven import ProvenReceipt, VerifyReason
from veritape.kernel.errors import MisuseError, PeerError

SIMULATED = SIMULATOR.run(ECHO, b"abcd")


def test_simulated_and_unknown_files_are_refused(tmp_path: Path) -> None:
    """EX-716: a simulation as such; a file in the form of a proof by its parameters: none are accepted here."""
    made = ProvenReceipt(bytes(32), (SIMULATED.claim,), (SIMULATED.journal,), b"anything")
    cases = {
        SIMULATED.to_bytes(): VerifyReason.SIMULATED_NOT_PROVEN,
        made.to_bytes(): VerifyReason.PARAMETERS_NOT_ACCEPTED,
        b"": VerifyReason.WRONG_MAGIC,
    }
    for data, reason in cases.items():
        (tmp_path / "file").write_bytes(data)
        with pytest.raises(PeerError) as caught:
            read_proof(tmp_path / "file")
        assert caught.value.reason is reason
    assert frozenset() == ACCEPTED
    with pytest.raises(MisuseError, match="cannot read"):
        read_proof(tmp_path)
