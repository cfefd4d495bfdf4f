"""``veritape verify``: check a proof without its input. There is no proof system yet, so no file is verified, and why is said."""

import json
from pathlib import Path
from typing import Any

import click

from veritape.apps.proof_files import read_detached, read_proof
from veritape.apps.reported_errors import error_document, reports
from veritape.executor.inclusion_files import InclusionProof
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import PeerError

NANOSECONDS_A_MILLISECOND = 1_000_000
"""Nanoseconds in a millisecond."""


SCHEMA, KIND = "veritape.verify/1", "stark"
"""Name, version and kind of the documents."""


@click.command()
@click.argument("proof", type=click.Path(path_type=Path))
@click.option(
    "--detached", is_flag=True, help="PROOF is a detached inclusion proof: say in which list its claim is."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@reports(SCHEMA, KIND)
def verify(proof: Path, detached: bool, as_json: bool) -> int:
    """Check the file PROOF; exit 1 when it is refused.

    A simulated receipt (veritape run -o) is refused with simulated_not_proven: it was executed, not proven. veritape recheck
    executes such receipts again. Proofs come with a later version; until then no file is accepted. With --detached a file
    without a proof is accepted for what it shows: that its claim is in the list with digest D. D itself is not checked.
    """
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    document: dict[str, Any] = {"ok": False, "verified": False, "claims": [], "profile": None, "bits": None}
    try:
        if detached:
            document |= included_document(*read_detached(proof))
        else:
            read_proof(proof)
    except PeerError as error:
        document |= error_document(SCHEMA, KIND, error)
    document["milliseconds"] = round((clock.monotonic_ns() - began_ns) / NANOSECONDS_A_MILLISECOND, 3)
    click.echo(json.dumps(document) if as_json else text(document))
    return int(not document["ok"])


def included_document(found: InclusionProof, digest: bytes) -> dict[str, Any]:
    """Return the document of a detached inclusion proof whose path fits: nothing in it is verified."""
    claim = found.claim
    shown = {
        "program_id": claim.program_id.hex(),
        "input_digest": claim.input_digest.hex(),
        "journal_hex": found.journal.hex(),
        "exit_code": claim.exit_code,
        "cycles": claim.cycles,
    }
    place = {"index": found.path.index, "count": found.path.count, "list_digest": digest.hex()}
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "ok": True,
        "reason": None,
        "detached": True,
        "claims": [shown],
        **place,
    }


def text(document: dict[str, Any]) -> str:
    """Return what a person reads."""
    if not document["ok"]:
        return f"not verified: {document['detail']}"
    place = f"claim {document['index']} of {document['count']}"
    return (
        f"{place} is included in D {document['list_digest']}; D itself was not checked: nothing is verified"
    )
