"""Every reason has a label value."""

import importlib
import pkgutil
from enum import StrEnum

import veritape.executor
from veritape.executor.aggregation.plans import Label, Mode
from veritape.executor.backend import BackendType
from veritape.executor.cache.counters import Layer
from veritape.executor.cache.entries import CacheReason
from veritape.executor.cache.memory import Eviction
from veritape.executor.health import ReadyReason
from veritape.executor.proven import VerifyReason
from veritape.executor.reasons import (
    BY_ENUMERATION,
    ERROR_CLASSES,
    REFUSAL_CLASSES,
    error_class,
    refusal_class,
)
from veritape.executor.receipts import ReceiptReason
from veritape.executor.runtime.outcomes import RuntimeReason
from veritape.executor.vm.traps import TrapReason


def reasons() -> set[type[StrEnum]]:
    """Return every enumeration of reasons in the package, by its name."""
    found: set[type[StrEnum]] = set()
    for module in pkgutil.walk_packages(veritape.executor.__path__, "veritape.executor."):
        loaded = importlib.import_module(module.name)
        for value in vars(loaded).values():
            if isinstance(value, type) and issubclass(value, StrEnum) and value.__name__.endswith("Reason"):
                found.add(value)
    return found


def test_every_member_of_every_enumeration_has_a_class() -> None:
    """EX-606: one table maps every reason of the executor to a label value, sixteen at most; what ``/ready`` says is no error."""
    assert reasons() == {*BY_ENUMERATION, ReadyReason}
    assert {error_class(member) for enumeration in reasons() for member in enumeration} <= set(ERROR_CLASSES)
    assert len(ERROR_CLASSES) == len(set(ERROR_CLASSES)) <= 16
    assert not reasons() & {Label, Mode, BackendType, Layer, Eviction}


def test_some_members_differ_from_their_enumeration() -> None:
    """EX-606: limits, memory, queue and workers have label values of their own; what is not ours is internal."""
    assert error_class(TrapReason.CYCLE_LIMIT) == "limit"
    assert error_class(TrapReason.BREAKPOINT) == "trap"
    assert error_class(RuntimeReason.WORKER_LOST) == "worker"
    assert error_class(RuntimeReason.UNKNOWN_BACKEND) == "backend"
    assert error_class(ReceiptReason.GUEST_FAILED) == "trap"
    assert error_class(None) == error_class(Layer.DISK) == "internal"


def test_a_refusal_is_counted_by_the_row_of_the_checks() -> None:
    """TL-240: mac, format, structure, parameters, journal, proof, expectation, guest."""
    assert refusal_class(CacheReason.BAD_MAC) == "mac"
    assert refusal_class(VerifyReason.SIMULATED_NOT_PROVEN) == "format"
    assert refusal_class(VerifyReason.BAD_CYCLES) == "structure"
    assert refusal_class(VerifyReason.PARAMETERS_NOT_ACCEPTED) == "parameters"
    assert refusal_class(VerifyReason.JOURNAL_MISMATCH) == "journal"
    assert refusal_class(ReceiptReason.PROGRAM_MISMATCH) == "expectation"
    assert refusal_class(ReceiptReason.GUEST_FAILED) == "guest"
    assert refusal_class(None) == "format"
    assert {refusal_class(member) for one in reasons() for member in one} <= set(REFUSAL_CLASSES)
