"""Coverage-guided fuzzing of every decoder of outside bytes."""

from pathlib import Path

import pytest
from tests import rv32
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO
from tests.servers.fuzzing import SOAK, SOAK_SECONDS, fuzz

from veritape.executor.adapters.guest_files import guest_elf
from veritape.executor.aggregation.cost_samples import Measured, Origin, with_measured
from veritape.executor.aggregation.costs import Figure
from veritape.executor.cache.entries import Entry, pack, to_file
from veritape.executor.inclusion import path_of
from veritape.executor.inclusion_files import InclusionProof, ListProof
from veritape.executor.proven import ProvenReceipt

SECONDS = SOAK_SECONDS if SOAK else 4
"""Seconds for each decoder: 10 minutes, or together with the others about twenty."""

RECEIPT = SIMULATOR.run(ECHO, b"abcd")
PATH = path_of([RECEIPT.claim] * 5, 3, SIMULATOR.sponge)
INCLUSIONS = [
    InclusionProof(RECEIPT.claim, RECEIPT.journal, PATH, whole)
    for whole in (None, ListProof(bytes(32), b"proof"))
]
SEEDS = {
    "elf": [guest_elf("vwap"), rv32.elf(ECHO)],
    "claim": [RECEIPT.claim.to_bytes()],
    "receipt": [RECEIPT.to_bytes()],
    "proof": [ProvenReceipt(bytes(32), (RECEIPT.claim,), (RECEIPT.journal,), b"proof").to_bytes()],
    "inclusion": [one.to_bytes() for one in INCLUSIONS],
    "costs": [with_measured(b"", Origin("machine", "parameters"), [Measured(Figure.LEAF_S, 1, 0.5)])],
    "cache": [to_file(Entry(bytes(32), 1, b"body"), b"s" * 32), pack({b"a" * 32: b"1", b"b" * 32: b"2"})[1]],
}


@pytest.mark.timeout(SECONDS + 280)
@pytest.mark.parametrize("name", SEEDS)
def test_a_decoder_answers_any_bytes_with_a_value_or_a_reason(name: str, tmp_path: Path) -> None:
    """EX-804, EX-809: no crash, no reason that is not documented, bounded time and memory, for minutes on end."""
    assert fuzz("tests.fuzz_decoders", name, SECONDS, SEEDS[name], tmp_path) > 100
