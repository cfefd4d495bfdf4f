"""``GET /v1/receipts``: receipts of computations on the record; a simulated one is labelled wherever it is shown."""

from collections.abc import Sequence
from typing import Final

from veritape.gateway.problems import RefusedError
from veritape.gateway.product.pages import Page, Query, Sources, make_page, position_of
from veritape.gateway.readers import Receipt
from veritape.gateway.reasons import Reason
from veritape.kernel.canonical import Json, canonical_json

RECEIPTS_PAGE: Final = 100
"""Receipts of one page."""

NOT_PROVEN: Final = "executed, not proven"
"""What a simulated receipt is called wherever a person sees it."""


def read_receipts(sources: Sources, query: Query) -> Page:
    """Answer ``GET /v1/receipts``: receipts by id, of a program or a day."""
    program, day = query.values.get("program"), query.values.get("day")
    position = position_of(sources, query)
    chosen = [
        receipt
        for receipt in _receipts(sources)
        if (program is None or any(claim.program == program for claim in receipt.claims))
        and day in {None, receipt.day}
        and (position is None or receipt.id >= position[0])
    ]
    following = (chosen[RECEIPTS_PAGE].id, 0) if len(chosen) > RECEIPTS_PAGE else None
    items = [_receipt(receipt) for receipt in chosen[:RECEIPTS_PAGE]]
    return make_page(sources, query, items, following, {}, sealed=False)


def read_receipt(sources: Sources, query: Query) -> Page:
    """Answer ``GET /v1/receipts/{id}``: one receipt; its file and inclusion proofs exist for proven ones only."""
    for receipt in _receipts(sources):
        if receipt.id == query.values["rest"]:
            return Page(canonical_json(_receipt(receipt)), "")
    raise RefusedError(Reason.NOT_FOUND, "no such receipt, or not of a proven one")


def _receipts(sources: Sources) -> Sequence[Receipt]:
    return sources.receipts.receipts() if sources.receipts else ()


def _receipt(receipt: Receipt) -> Json:
    members: dict[str, Json] = {
        "id": receipt.id,
        "kind": receipt.kind,
        "day": receipt.day,
        "created_ns": receipt.created_ns,
        "bytes": receipt.file_bytes,
        "claims": [claim._asdict() for claim in receipt.claims],
    }
    return {**members, "label": NOT_PROVEN} if receipt.kind == "simulated" else members
