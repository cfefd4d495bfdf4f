"""``veritape recheck``: execute every simulated receipt again, in this process, and compare the claims."""

from pathlib import Path
from typing import Any

import click

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.apps.recorded_days import DATA, require_folder
from veritape.apps.tape_source import SealedTapes
from veritape.executor import ohlcv, vwap
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.receipt_files import ReceiptStore, read_receipt
from veritape.executor.backend import Simulator
from veritape.executor.metrics import SIMULATED
from veritape.executor.receipts import SimulatedReceipt
from veritape.executor.rechecking import recheck as compare
from veritape.executor.tapes import TapeKey, TapeSource
from veritape.kernel.canonical import canonical_json
from veritape.kernel.errors import VeritapeError


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The recorder's data directory.")
@click.option("--receipts", type=click.Path(path_type=Path), required=True, help="Folder of the receipts.")
@click.option("--venue", default="KRX", help="Venue whose segments are read.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def recheck(data: Path, receipts: Path, venue: str, as_json: bool) -> int:
    """Execute every receipt's program again over its sealed segment and compare the claims.

    This proves nothing to a stranger: it shows that this machine computes the same. Exit 1: a receipt does not match.
    """
    require_folder(data, "--data", DATA)
    require_folder(receipts, "--receipts", "the folder that veritape compute wrote")
    simulator = compiled_simulator()
    document = examine(SealedTapes(data, venue), ReceiptStore(receipts, simulator.sponge), simulator)
    if as_json:
        click.echo(canonical_json(document).decode())
    else:
        for line in document["receipts"]:
            click.echo(f"{line['name']}: {line['outcome']}")
        click.echo(f"{document['verified']} of {document['count']} receipts match (not proven)")
    return int(document["verified"] != document["count"])


def examine(source: TapeSource, store: ReceiptStore, simulator: Simulator) -> dict[str, Any]:
    """Return the document of the command: what each receipt says, and whether executing again says the same."""
    lines, computed, verified = [], [], 0
    for path, program, key in store.names():
        try:
            receipt = _examine_one(path, program, key, source, simulator)
            if program == vwap.PROGRAM:
                computed.append(_sums(vwap.parse_journal(receipt.journal)))
            verified += 1
            lines.append({"name": path.name, "outcome": "executed again: claim matches (not proven)"})
        except VeritapeError as error:
            lines.append({"name": path.name, "outcome": f"refused: {error.message}"})
    return {
        "kind": SIMULATED,
        "count": len(lines),
        "verified": verified,
        "computed": computed,
        "receipts": lines,
    }


def _sums(journal: vwap.VwapJournal) -> dict[str, Any]:
    return {
        "code": journal.code,
        "price_scale": journal.price_scale,
        "volume_shares": journal.volume_shares,
        "value": str(journal.value),
    }


def _examine_one(
    path: Path, program: str, key: TapeKey, source: TapeSource, simulator: Simulator
) -> SimulatedReceipt:
    """Return a receipt that executing again confirms.

    Raises:
        VeritapeError: damaged, of another program or segment, or executing again gives another claim.
    """
    receipt = read_receipt(path, simulator.sponge)
    tape = source.tape(key)
    input_bytes = ohlcv.input_of(tape) if program == ohlcv.PROGRAM else tape
    reason = compare(receipt, guest_image(program), input_bytes, simulator)
    if reason is not None:
        raise VeritapeError(f"{reason}: not what executing again gives", reason)
    return receipt
