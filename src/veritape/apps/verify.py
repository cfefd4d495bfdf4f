"""``veritape verify``: check a proof without its input. There is no proof system yet, so every file is refused, and why is said."""

import json
from pathlib import Path

import click

from veritape.apps.proof_files import read_proof
from veritape.apps.reported_errors import error_document, reports
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import PeerError

NANOSECONDS_A_MILLISECOND = 1_000_000
"""Nanoseconds in a millisecond."""


SCHEMA, KIND = "veritape.verify/1", "stark"
"""Name, version and kind of the documents."""


@click.command()
@click.argument("proof", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@reports(SCHEMA, KIND)
def verify(proof: Path, as_json: bool) -> int:
    """Check the file PROOF; exit 1 when it is refused.

    A simulated receipt (veritape run -o) is refused with simulated_not_proven: it was executed, not proven. veritape recheck
    executes such receipts again. Proofs come with a later version; until then no file is accepted.
    """
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    try:
        read_proof(proof)
    except PeerError as error:
        milliseconds = (clock.monotonic_ns() - began_ns) / NANOSECONDS_A_MILLISECOND
        document = error_document(SCHEMA, KIND, error)
        document |= {
            "verified": False,
            "claims": [],
            "profile": None,
            "bits": None,
            "milliseconds": round(milliseconds, 3),
        }
        click.echo(json.dumps(document) if as_json else f"not verified: {error.message}")
    return 1
