"""The truth table of the service's health."""

from dataclasses import replace

import pytest

from veritape.executor.health import Check, ReadyReason, Signs, Status, checks, ready, status

SECOND = 1_000_000_000
WELL = Signs(
    100 * SECOND,
    None,
    disk_refused=False,
    layer_left_alone=False,
    queue=3,
    started_ns=0,
    queue_limit=9,
    idle_workers=1,
    lost_because="",
)
NOW = 101 * SECOND


@pytest.mark.parametrize(
    ("signs", "expected", "failed"),
    [
        (WELL, Status.HEALTHY, None),
        (replace(WELL, layer_left_alone=True), Status.DEGRADED, "cache_layers"),
        (replace(WELL, worker_lost_ns=42 * SECOND), Status.DEGRADED, "no_worker_lost"),
        (replace(WELL, worker_lost_ns=41 * SECOND), Status.HEALTHY, None),
        (replace(WELL, worker_answered_ns=91 * SECOND), Status.FAILING, "workers"),
        (replace(WELL, worker_answered_ns=91 * SECOND, idle_workers=0), Status.HEALTHY, None),
        (replace(WELL, worker_answered_ns=91 * SECOND, idle_workers=-2), Status.HEALTHY, None),
        (
            replace(WELL, worker_answered_ns=91 * SECOND, idle_workers=0, lost_because="it died"),
            Status.FAILING,
            "workers",
        ),
        (replace(WELL, worker_answered_ns=None, idle_workers=0), Status.FAILING, "workers"),
        (replace(WELL, worker_answered_ns=None), Status.FAILING, "workers"),
        (replace(WELL, worker_answered_ns=None, started_ns=95 * SECOND), Status.HEALTHY, None),
        (replace(WELL, disk_refused=True), Status.FAILING, "disk"),
        (replace(WELL, disk_refused=True, layer_left_alone=True), Status.FAILING, "disk"),
    ],
)
def test_each_sign_has_its_status(signs: Signs, expected: Status, failed: str | None) -> None:
    """EX-593, EX-822: degraded by an open breaker or a loss in the last minute; failing by silent workers or a refusing disk."""
    found, passed = status(signs, NOW)
    assert found is expected
    assert passed.pop("queue") == 3
    assert failed is None or passed[failed] is False
    assert (False in passed.values()) == (expected is not Status.HEALTHY)


def test_it_is_ready_when_a_worker_answered_lately() -> None:
    """EX-591: kernels are compiled and a worker answers; nothing else makes it ready."""
    assert ready(WELL, NOW)
    assert not ready(replace(WELL, worker_answered_ns=None), NOW)
    assert not ready(WELL, 110 * SECOND)


@pytest.mark.parametrize(
    ("signs", "failed", "is_ready"),
    [
        (
            replace(WELL, worker_answered_ns=None),
            Check("workers", True, 101.0, ReadyReason.NOT_STARTED),
            False,
        ),
        (
            replace(WELL, worker_answered_ns=None, lost_because="no scheduler answers"),
            Check("workers", True, 101.0, ReadyReason.WORKER_LOST, "no scheduler answers"),
            False,
        ),
        (
            replace(WELL, worker_answered_ns=91 * SECOND),
            Check("workers", True, 10.0, ReadyReason.STALE, "no answer for 10 s"),
            False,
        ),
        (
            replace(WELL, worker_answered_ns=91 * SECOND, idle_workers=-2),
            Check("workers", True, 10.0, ReadyReason.BUSY, "no answer for 10 s"),
            False,
        ),
        (
            replace(WELL, worker_answered_ns=91 * SECOND, idle_workers=0),
            Check("workers", True, 10.0, ReadyReason.BUSY, "no answer for 10 s"),
            False,
        ),
        (
            replace(WELL, queue=9),
            Check("queue", True, 0.0, ReadyReason.QUEUE_FULL, "9 of 9 jobs wait"),
            False,
        ),
        (replace(WELL, disk_refused=True), Check("cache", False, 0.0, ReadyReason.DISK_REFUSED), True),
        (
            replace(WELL, layer_left_alone=True),
            Check("cache", False, 0.0, ReadyReason.LAYER_LEFT_ALONE),
            True,
        ),
    ],
)
def test_what_is_not_ready_says_why(signs: Signs, failed: Check, is_ready: bool) -> None:
    """TL-710, TL-720, EX-591: each check fails by its own fault, alone and with its reason; the cache makes nobody wait."""
    found = checks(signs, NOW)
    assert [check.name for check in found] == ["workers", "queue", "cache"]
    assert [check for check in found if check.reason] == [failed]
    assert ready(signs, NOW) is is_ready


def test_a_loss_that_is_over_keeps_nobody_waiting() -> None:
    """TL-710: what was met before the last answer is no reason."""
    assert ready(replace(WELL, worker_lost_ns=100 * SECOND, lost_because="died"), NOW)
    assert not any(check.reason for check in checks(WELL, NOW))
