"""One table from the reasons of the executor to the label values of its metrics (EX-606)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from veritape.executor.aggregation.decider import DecisionReason
from veritape.executor.aggregation.plans import ConfigReason
from veritape.executor.cache.entries import CacheReason
from veritape.executor.claims import ClaimReason
from veritape.executor.elf import ImageReason
from veritape.executor.inclusion import InclusionReason
from veritape.executor.ohlcv import OhlcvReason
from veritape.executor.proven import VerifyReason
from veritape.executor.receipts import ReceiptReason
from veritape.executor.runtime.outcomes import JobReason, RuntimeReason
from veritape.executor.vm.traps import TrapReason
from veritape.executor.vwap import VwapReason

ERROR_CLASSES: Final = (
    "trap", "limit", "image", "input", "claim", "receipt", "inclusion", "cache", "aggregation", "backend", "memory",
    "queue", "worker", "segment", "write", "internal",
)  # fmt: skip
"""Label values of ``l2_errors_by_reason_total``, sixteen at most."""

REFUSAL_CLASSES: Final = (
    "mac", "format", "structure", "parameters", "journal", "proof", "expectation", "guest",
)  # fmt: skip
"""Label values of ``l2_receipts_refused_total``: the rows of EX-316 in order, the guest's own failure last."""

BY_ENUMERATION: Final[Mapping[type[StrEnum], str]] = {
    TrapReason: "trap",
    ImageReason: "image",
    ClaimReason: "claim",
    ReceiptReason: "receipt",
    VerifyReason: "receipt",
    InclusionReason: "inclusion",
    CacheReason: "cache",
    DecisionReason: "aggregation",
    ConfigReason: "aggregation",
    RuntimeReason: "backend",
    JobReason: "input",
    VwapReason: "segment",
    OhlcvReason: "segment",
}
"""Class of every reason of an enumeration, where no member says otherwise."""

BY_MEMBER: Final[tuple[tuple[StrEnum, str], ...]] = (
    (TrapReason.CYCLE_LIMIT, "limit"),
    (TrapReason.WORK_LIMIT, "limit"),
    (TrapReason.JOURNAL_LIMIT, "limit"),
    (ReceiptReason.SEGMENT_MISMATCH, "segment"),
    (ReceiptReason.GUEST_FAILED, "trap"),
    (RuntimeReason.TOO_MANY_ITEMS, "input"),
    (RuntimeReason.INPUT_TOO_LARGE, "input"),
    (RuntimeReason.NEEDS_MEMORY, "memory"),
    (RuntimeReason.QUEUE_FULL, "queue"),
    (RuntimeReason.CLOSED, "queue"),
    (RuntimeReason.WORKER_LOST, "worker"),
    (RuntimeReason.CACHE_WRITE_FAILED, "write"),
    (RuntimeReason.INTERNAL_ERROR, "internal"),
)
"""Members whose class is not that of their enumeration; as pairs, because members of two enumerations may have equal text."""

_MEMBERS: Final = {(type(member), member.value): name for member, name in BY_MEMBER}

_FORMAT: Final = frozenset({
    "wrong_magic", "simulated_not_proven", "truncated", "trailing_bytes", "checksum_mismatch", "too_large", "bad_entry",
})  # fmt: skip
_REFUSALS: Final[Mapping[str, str]] = {
    "bad_mac": "mac",
    "parameters_not_accepted": "parameters",
    "journal_mismatch": "journal",
    "program_mismatch": "expectation",
    "input_mismatch": "expectation",
    "segment_mismatch": "expectation",
    "claim_mismatch": "expectation",
    "foreign_claim": "expectation",
    "guest_failed": "guest",
}


def error_class(reason: StrEnum | None) -> str:
    """Return the label value of an error; one without a reason of ours is ``internal``."""
    if reason is None:
        return "internal"
    own = _MEMBERS.get((type(reason), reason.value))
    return own or BY_ENUMERATION.get(type(reason), "internal")


def refusal_class(reason: StrEnum | None) -> str:
    """Return the label value of a refused receipt; what is no other row is ``structure``."""
    if reason is None or reason.value in _FORMAT:
        return "format"
    return _REFUSALS.get(reason.value, "structure")
