"""Liveness and readiness follow the vectors."""

import json
import math

from veritape.kernel.clock import NANOSECONDS
from veritape.telemetry import Registry
from veritape.telemetry.health import FAILING_NS, health, ready
from veritape.telemetry.metrics import READY, READY_CHECK, page_metrics, part_metrics
from veritape.telemetry.page import FRESH_NS, Page
from veritape.telemetry.vectors import Vector


def test_health_and_readiness_are_the_conjunction_over_parts() -> None:
    """TL-700, TL-710 and TL-740: silence degrades, then fails; one part that is down makes the chain not ready."""
    registries = {part: Registry(part_metrics(part)) for part in ("observer", "replay")}
    page = Page(
        Registry(page_metrics(("observer", "replay"), version="1", commit="c", python="3")), registries
    )
    pipe = page.add_pipe("observer")
    pipe.receive(Vector(1, 0, tuple(registries["observer"].values)), 0)

    status, body = ready(page.parts, 0, 0)
    assert status == 503
    assert [check["reason"] for check in json.loads(body)["checks"]] == ["", "not_started"]

    page.add_pipe("replay").receive(Vector(2, 0, tuple(registries["replay"].values)), 0)
    assert ready(page.parts, 0, 0)[0] == 200
    assert json.loads(health(page.parts, NANOSECONDS, 0, "1")[1])["status"] == "healthy"
    status, body = health(page.parts, FRESH_NS, 0, "1")
    assert (status, json.loads(body)["status"]) == (200, "degraded")
    assert json.loads(ready(page.parts, FRESH_NS, 0)[1])["checks"][0]["reason"] == "stale"
    status, body = health(page.parts, FAILING_NS, 0, "1")
    assert (status, json.loads(body)["status"]) == (503, "failing")
    assert json.loads(body)["heartbeat_age_seconds"] == 30


def test_a_parts_own_checks_are_on_the_page() -> None:
    """TL-710, OB-411: 503 names the check that fails; an optional one makes nobody wait; one that never ran is not shown."""
    registry = Registry(part_metrics("observer"))
    own = Registry(page_metrics(("observer",), version="1", commit="c", python="3"))
    page = Page(own, {"observer": registry})
    page.merged(0)
    assert own.value(READY, part="observer") == 0
    pipe = page.add_pipe("observer")

    def ready_with(disk: float, clock: float) -> tuple[int, list[tuple[str, bool, str]]]:
        registry.set(READY_CHECK, disk, check="disk_space")
        registry.set(READY_CHECK, clock, check="clock")
        pipe.receive(Vector(1, 0, tuple(registry.values)), 0)
        status, body = ready(page.parts, 0, 0)
        page.merged(0)
        assert own.value(READY, part="observer") == (status == 200)
        return status, [(c["name"], c["passed"], c["reason"]) for c in json.loads(body)["checks"][1:]]

    assert ready_with(1, 1) == (200, [("disk_space", True, ""), ("clock", True, "")])
    assert ready_with(1, 0) == (200, [("disk_space", True, ""), ("clock", False, "failed")])
    assert ready_with(0, 1) == (503, [("disk_space", False, "failed"), ("clock", True, "")])


def test_a_check_passes_when_it_passes_in_every_process() -> None:
    """TL-710, TL-720: a parent that runs no check hides none of its workers'; one worker's failure is the part's."""
    own = Registry(page_metrics(("gateway",), version="1", commit="c", python="3"))
    page = Page(own, {"gateway": Registry(part_metrics("gateway"))})
    for number, keys in enumerate((math.nan, 1.0, 0.0)):
        registry = Registry(part_metrics("gateway"))
        registry.set(READY_CHECK, keys, check="key_store")
        page.add_pipe("gateway").receive(Vector(number, 0, tuple(registry.values)), 0)
        assert page.parts["gateway"].checks() == ({} if math.isnan(keys) else {"key_store": keys == 1})
