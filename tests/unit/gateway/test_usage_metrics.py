"""Figures of usage: each is moved by its event and by nothing else."""

import math

from veritape.gateway.usage_metrics import (
    COMMIT_SECONDS,
    LEDGER_DIFFERENCE,
    LEDGER_EVENTS,
    LEDGER_LAG,
    RARE_EVENTS,
    STORAGE_ERRORS,
    USAGE_METRICS,
    note_commit,
    note_drained,
)
from veritape.telemetry import Registry


def test_a_commit_moves_its_figures() -> None:
    """TL-250, GW-771: written when durable; lost only when the request was answered all the same."""
    registry = Registry(USAGE_METRICS, strict=True)
    note_commit(registry, 5, 0.002, failed=False, served_anyway=False)
    note_commit(registry, 3, 0.2, failed=True, served_anyway=False)
    assert registry.value(LEDGER_EVENTS, result="lost") == 0
    note_commit(registry, 2, 0.2, failed=True, served_anyway=True)
    assert registry.value(LEDGER_EVENTS, result="written") == 5
    assert registry.value(LEDGER_EVENTS, result="lost") == 2
    assert registry.value(STORAGE_ERRORS) == 2
    assert registry.value(COMMIT_SECONDS) == 3


def test_a_pass_moves_its_figures() -> None:
    """TL-250, GW-771: drained, duplicate, damaged; before the first pass lag and difference are not known."""
    registry = Registry(USAGE_METRICS, strict=True)
    assert math.isnan(registry.value(LEDGER_LAG))
    assert math.isnan(registry.value(LEDGER_DIFFERENCE))
    note_drained(registry, 4, 1, 2, failed=True)
    assert registry.value(LEDGER_EVENTS, result="drained") == 4
    assert registry.value(LEDGER_EVENTS, result="duplicate") == 1
    assert registry.value(RARE_EVENTS, event="outbox_bad") == 2
    assert registry.value(STORAGE_ERRORS) == 1
