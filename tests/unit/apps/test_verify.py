"""``veritape verify``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO

from veritape.apps.verify import verify
from veritape.executor.claims import list_digest
from veritape.executor.inclusion import path_of
from veritape.executor.inclusion_files import InclusionProof, ListProof
from veritape.kernel.errors import MisuseError


def test_a_simulated_receipt_is_refused_by_name(tmp_path: Path) -> None:
    """EX-319, EX-716: exit 1 with simulated_not_proven in text and JSON; nothing relaxes it."""
    path = tmp_path / "r.sim"
    path.write_bytes(SIMULATOR.run(ECHO, b"abcd").to_bytes())
    done = CliRunner().invoke(verify, [str(path)], standalone_mode=False)
    assert done.return_value == 1
    assert done.output.startswith("not verified: simulated_not_proven: this file was executed, not proven")
    done = CliRunner().invoke(verify, [str(path), "--json"], standalone_mode=False)
    shown = json.loads(done.output)
    assert (shown["ok"], shown["verified"], shown["reason"], shown["claims"]) == (
        False,
        False,
        "simulated_not_proven",
        [],
    )
    with pytest.raises(MisuseError, match="cannot read"):
        CliRunner().invoke(verify, [str(tmp_path)], standalone_mode=False, catch_exceptions=False)


def test_a_detached_inclusion_proof_shows_inclusion_and_no_more(tmp_path: Path) -> None:
    """EX-482: only who asks for --detached gets "included in D"; the answer says that D was not checked and verifies nothing."""
    receipts = [SIMULATOR.run(ECHO, data) for data in (b"abcd", b"efgh", b"ijkl")]
    claims = [receipt.claim for receipt in receipts]
    made = InclusionProof(claims[2], receipts[2].journal, path_of(claims, 2, SIMULATOR.sponge), None)
    path = tmp_path / "x.incl"
    path.write_bytes(made.to_bytes())
    refused = CliRunner().invoke(verify, [str(path), "--json"], standalone_mode=False)
    shown = json.loads(refused.output)
    assert (refused.return_value, shown["ok"], shown["verified"], shown["reason"]) == (
        1,
        False,
        False,
        "detached",
    )
    done = CliRunner().invoke(verify, [str(path), "--detached"], standalone_mode=False)
    digest = list_digest(claims, SIMULATOR.sponge).hex()
    assert (done.return_value, done.output) == (
        0, f"claim 2 of 3 is included in D {digest}; D itself was not checked: nothing is verified\n",
    )  # fmt: skip
    shown = json.loads(
        CliRunner().invoke(verify, [str(path), "--detached", "--json"], standalone_mode=False).output
    )
    assert (shown["ok"], shown["verified"], shown["list_digest"], shown["detached"]) == (
        True,
        False,
        digest,
        True,
    )
    assert shown["claims"][0]["journal_hex"] == b"ijkl".hex()
    path.write_bytes(made.to_bytes()[:-1])
    done = CliRunner().invoke(verify, [str(path), "--detached"], standalone_mode=False)
    assert (done.return_value, done.output.split(":")[1]) == (1, " checksum_mismatch")


def test_an_inclusion_proof_with_a_proof_is_refused_like_any_proof(tmp_path: Path) -> None:
    """EX-316: no parameters are accepted here, so no proof is."""
    receipt = SIMULATOR.run(ECHO, b"abcd")
    path = path_of([receipt.claim], 0, SIMULATOR.sponge)
    made = InclusionProof(receipt.claim, receipt.journal, path, ListProof(bytes(32), b"anything"))
    (tmp_path / "x.incl").write_bytes(made.to_bytes())
    done = CliRunner().invoke(verify, [str(tmp_path / "x.incl"), "--json"], standalone_mode=False)
    assert (done.return_value, json.loads(done.output)["reason"]) == (1, "parameters_not_accepted")
