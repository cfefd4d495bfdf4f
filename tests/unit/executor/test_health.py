"""The truth table of the service's health."""

from dataclasses import replace

import pytest

from veritape.executor.health import Signs, Status, ready, status

SECOND = 1_000_000_000
WELL = Signs(100 * SECOND, None, disk_refused=False, layer_left_alone=False, queue=3, started_ns=0)
NOW = 101 * SECOND


@pytest.mark.parametrize(
    ("signs", "expected", "failed"),
    [
        (WELL, Status.HEALTHY, None),
        (replace(WELL, layer_left_alone=True), Status.DEGRADED, "cache_layers"),
        (replace(WELL, worker_lost_ns=42 * SECOND), Status.DEGRADED, "no_worker_lost"),
        (replace(WELL, worker_lost_ns=41 * SECOND), Status.HEALTHY, None),
        (replace(WELL, worker_answered_ns=91 * SECOND), Status.FAILING, "workers"),
        (replace(WELL, worker_answered_ns=None), Status.FAILING, "workers"),
        (replace(WELL, worker_answered_ns=None, started_ns=95 * SECOND), Status.HEALTHY, None),
        (replace(WELL, disk_refused=True), Status.FAILING, "disk"),
        (replace(WELL, disk_refused=True, layer_left_alone=True), Status.FAILING, "disk"),
    ],
)
def test_each_sign_has_its_status(signs: Signs, expected: Status, failed: str | None) -> None:
    """EX-593, EX-822: degraded by an open breaker or a loss in the last minute; failing by silent workers or a refusing disk."""
    found, checks = status(signs, NOW)
    assert found is expected
    assert checks.pop("queue") == 3
    assert failed is None or checks[failed] is False
    assert (False in checks.values()) == (expected is not Status.HEALTHY)


def test_it_is_ready_when_a_worker_answered_lately() -> None:
    """EX-591: kernels are compiled and a worker answers; nothing else makes it ready."""
    assert ready(WELL, NOW)
    assert not ready(replace(WELL, worker_answered_ns=None), NOW)
    assert not ready(WELL, 110 * SECOND)
