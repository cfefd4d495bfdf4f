"""Checks of readiness."""

from typing import Any

import pytest

from veritape.gateway.degradation import StoreState
from veritape.gateway.readiness import Check, checks
from veritape.telemetry.metrics import CHECKS, OPTIONAL_CHECKS

SOUND: dict[str, Any] = {
    "key_store": True, "ledger": True, "store": StoreState.HEALTHY, "healthy_targets": {"a": 1, "b": 2},
}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ({}, None),
        ({"key_store": False}, Check.KEY_STORE),
        ({"ledger": False}, Check.LEDGER),
        ({"store": StoreState.STARTING}, Check.COUNTER_STORE),
        ({"store": StoreState.LOCAL}, None),
        ({"healthy_targets": {"a": 1, "b": 0}}, Check.UPSTREAMS),
        ({"healthy_targets": {}}, None),
    ],
)
def test_each_fault_fails_its_own_check(fault: dict[str, Any], check: Check | None) -> None:
    """TL-720, TL-730, GW-348: keys, ledger, store, upstreams; on local shares the gateway is ready."""
    found = checks(**{**SOUND, **fault})
    assert [name for name, passes in found.items() if not passes] == ([check] if check else [])


def test_the_checks_are_those_of_the_page() -> None:
    """TL-720: every name is a value of the label; only upstreams make nobody wait."""
    assert set(Check) <= set(CHECKS)
    assert set(Check) & OPTIONAL_CHECKS == {Check.UPSTREAMS}
