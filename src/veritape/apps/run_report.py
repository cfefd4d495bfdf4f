"""What ``veritape run`` says: one document, and the same for a person (EX-632). Everything in it was executed, not proven."""

import struct
from collections.abc import Sequence
from typing import Any

from veritape.executor import ohlcv, vwap
from veritape.executor.receipts import CALLED, SimulatedReceipt
from veritape.executor.runtime.outcomes import Cancelled, Executed, Failed, Outcome
from veritape.executor.runtime.presets import Parallel
from veritape.executor.vm.execution import CYCLE_CLASSES, Detail, Execution
from veritape.kernel.errors import PeerError

SCHEMA, KIND = "veritape.run/1", "simulated"
"""Name and version of the documents."""

_FIBONACCI, _SHA256 = struct.Struct("<IIIQ"), struct.Struct("<I32s")


def document_of(name: str, receipt: SimulatedReceipt, seconds: float) -> dict[str, Any]:
    """Return the document of one execution that halted."""
    claim = receipt.claim
    code = claim.exit_code
    return {
        **_head(ok=code == 0, reason=None if code == 0 else "guest_failed"),
        "program": {"name": name, "id": claim.program_id.hex()},
        "exit_code": code,
        "cycles": claim.cycles,
        "input_digest": claim.input_digest.hex(),
        "journal_digest": claim.journal_digest.hex(),
        "journal_hex": receipt.journal.hex(),
        "journal": decoded(name, receipt.journal) if code == 0 else None,
        "trap": None,
        "rows": rows(receipt.detail),
        "seconds": round(seconds, 6),
    }


def trap_document(name: str, program_id: str, execution: Execution, seconds: float) -> dict[str, Any]:
    """Return the document of an execution that trapped: there is no claim and no receipt."""
    trap = execution.trap
    if trap is None:
        raise ValueError("the execution halted")
    return {
        **_head(ok=False, reason=str(trap.reason)),
        "program": {"name": name, "id": program_id},
        "exit_code": None,
        "cycles": execution.cycles,
        "journal_hex": None,
        "journal": None,
        "trap": {
            "reason": str(trap.reason),
            "pc": trap.pc,
            "address": trap.address,
            "instruction": trap.word,
        },
        "rows": rows(execution.detail),
        "seconds": round(seconds, 6),
    }


def batch_document(
    name: str,
    outcomes: Sequence[Outcome],
    same_as: Sequence[int | None],
    seconds: float,
    used: Parallel,
    started: int,
    cache: dict[str, Any],
) -> dict[str, Any]:
    """Return the document of a batch: one item an input, in order.

    Every receipt counts once: as executed now, as found in the cache, or as shared with an earlier item of an equal input, whose
    index is in ``same_as``. ``started`` workers did it; 0: this process.
    """
    items = [{**_item(place, outcome), "same_as": same_as[place]} for place, outcome in enumerate(outcomes)]
    first = [one for one, twin in zip(outcomes, same_as, strict=True) if twin is None]
    receipts = [one for one in first if isinstance(one, Executed)]
    reasons = [item["reason"] for item in items if item["reason"] is not None]
    return {
        **_head(ok=not reasons, reason=reasons[0] if reasons else None),
        "program": {"name": name},
        "items": items,
        "executed": sum(not one.cached for one in receipts),
        "same": sum(isinstance(one, Executed) for one in outcomes) - len(receipts),
        "cached": sum(one.cached for one in receipts),
        "failed": len(reasons),
        "effective": {"workers": used.workers, "threads": used.threads},
        "workers_started": started,
        "cache": cache,
        "seconds": round(seconds, 6),
    }


def decoded(name: str, journal: bytes) -> dict[str, Any] | None:
    """Return what a bundled guest's journal says; None for other programs."""
    try:
        if name == vwap.PROGRAM:
            parsed = vwap.parse_journal(journal)
            return {**parsed._asdict(), "value": str(parsed.value), "vwap": vwap.average([parsed])}
        if name == ohlcv.PROGRAM:
            bars = ohlcv.parse_journal(journal)
            return {
                **bars._asdict(),
                "bars": [{**bar._asdict(), "value": str(bar.value)} for bar in bars.bars],
            }
    except PeerError:
        return None
    if name == "fibonacci" and len(journal) == _FIBONACCI.size:
        return dict(zip(("n", "a0", "a1", "result"), _FIBONACCI.unpack(journal), strict=True))
    if name == "sha256" and len(journal) == _SHA256.size:
        length, digest = _SHA256.unpack(journal)
        return {"length": length, "sha256": digest.hex()}
    return None


def rows(detail: Detail) -> dict[str, Any]:
    """Return the unproven detail of an execution: what a proof of it would have to cover."""
    return {
        "cycles_by_class": dict(zip(CYCLE_CLASSES, detail.cycles_by_class, strict=True)),
        "poseidon2_permutations": detail.poseidon2_permutations,
        "sha256_blocks": detail.sha256_blocks,
        "words_touched": detail.words_touched,
        "input_words_read": detail.input_words_read,
    }


def text(document: dict[str, Any]) -> str:
    """Return the same for a person."""
    if "items" in document:
        return "\n".join(_batch_lines(document))
    if document["trap"] is not None:
        return f"{document['label']}: {document['reason']} after {document['cycles']:,} cycles, no receipt"
    lines = [
        f"{document['label']}: exit code {document['exit_code']} after {document['cycles']:,} cycles",
        f"program  {document['program']['id']}",
        f"input    {document['input_digest']}",
        f"journal  {document['journal_hex'] or '(empty)'}",
    ]
    if document["journal"] is not None:
        lines += [
            f"  {key}: {value}" for key, value in document["journal"].items() if not isinstance(value, list)
        ]
    return "\n".join(lines)


def _batch_lines(document: dict[str, Any]) -> list[str]:
    same = f"{document['same']:,} the same as another, " if document["same"] else ""
    counts = f"{document['executed']:,} executed, {same}{document['cached']:,} from the cache, {document['failed']:,} failed"
    started = document["workers_started"]
    where = f"on {started} worker{'s' * (started > 1)}" if started else "in this process"
    lines = [f"{document['label']}: {counts} in {document['seconds']:.2f} s {where}"]
    failed = [item for item in document["items"] if item["reason"] is not None]
    return lines + [f"item {item['index']}: {item['reason']}: {item['detail']}" for item in failed]


def _head(*, ok: bool, reason: str | None) -> dict[str, Any]:
    return {"schema": SCHEMA, "kind": KIND, "label": CALLED, "ok": ok, "reason": reason}


def _item(place: int, outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Executed):
        claim = outcome.receipt.claim
        failed = claim.exit_code != 0
        return {
            "index": place,
            "status": "executed",
            "reason": "guest_failed" if failed else None,
            "detail": f"exit code {claim.exit_code}" if failed else None,
            "claim": outcome.index,
            "cached": outcome.cached,
            "exit_code": claim.exit_code,
            "cycles": claim.cycles,
            "journal_hex": outcome.receipt.journal.hex(),
        }
    if isinstance(outcome, Failed):
        return {"index": place, "status": "failed", "reason": str(outcome.reason), "detail": outcome.detail}
    reason = "cancelled" if isinstance(outcome, Cancelled) else "deadline_exceeded"
    return {"index": place, "status": reason, "reason": reason, "detail": "not finished"}
