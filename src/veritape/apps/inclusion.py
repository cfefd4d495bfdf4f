"""``veritape inclusion``: show that one claim is in an aggregate. Aggregates are proofs, so every file is refused until there are some."""

import json
from pathlib import Path

import click

from veritape.apps.proof_files import read_proof
from veritape.apps.reported_errors import error_document, reports
from veritape.kernel.errors import PeerError

SCHEMA, KIND = "veritape.inclusion/1", "stark"
"""Name, version and kind of the documents."""


@click.command()
@click.argument("aggregate", type=click.Path(path_type=Path))
@click.argument("index", type=int)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the inclusion proof here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@reports(SCHEMA, KIND)
def inclusion(aggregate: Path, index: int, output: Path | None, as_json: bool) -> int:
    """Make the inclusion proof of claim INDEX of the file AGGREGATE; exit 1 when it is refused.

    A simulated receipt is refused with simulated_not_proven. The paths themselves are a library function already:
    veritape.executor.inclusion.
    """
    del index, output
    try:
        read_proof(aggregate)
    except PeerError as error:
        document = error_document(SCHEMA, KIND, error)
        click.echo(json.dumps(document) if as_json else f"refused: {error.message}")
    return 1
