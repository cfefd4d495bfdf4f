"""The summary: the source's figures from live families, null where nothing is known."""

import json

from veritape.observer.metrics import METRICS, SLOT_LIMIT, SLOTS_ALLOCATED, SWEEP_SECONDS
from veritape.telemetry import Registry
from veritape.telemetry.metrics import page_metrics
from veritape.telemetry.page import Page
from veritape.telemetry.summary import COUNTS, summary
from veritape.telemetry.vectors import Vector


def series(value: float | None, **more: float) -> list[dict[str, object]]:
    return [{"labels": {}, "value": value, **more}]


def test_the_worked_figures_of_the_source() -> None:
    """TL-150: sizes, sums, means in milliseconds, shares."""
    found = summary(
        {
            "observer_universe_size": series(2050), "observer_track_a_collection_duration_seconds": series(2, sum=7.62),
            "observer_track_b_slots_total": series(41), "observer_track_b_slots_allocated": series(5),
            "observer_api_requests_total": series(3), "observer_api_errors_total": series(1),
            "observer_api_request_duration_seconds": series(3, sum=0.67), "observer_token_validity_seconds": series(None),
            "rate_limiter_requests_total": [*series(100), *series(20)], "rate_limiter_requests_rejected_total": series(20),
        }
    )  # fmt: skip
    assert found["universe"]["current_size"] == 2050
    assert found["track_a"]["avg_collection_duration_ms"] == 3810.0
    assert found["track_b"]["available_slots"] == 36
    assert found["token"]["validity_seconds"] is None
    assert found["api"] == {
        "total_requests": 3, "total_errors": 1, "error_rate": 1 / 3, "avg_request_duration_ms": 1_000 * 0.67 / 3,
    }  # fmt: skip
    assert found["rate_limiter"]["rejection_rate_percent"] == 16.67
    assert found["rate_limiter"]["cache_hit_ratio_percent"] is None


def test_nothing_known_is_null_everywhere() -> None:
    """TL-150: a process without a part's families says null and guesses nothing."""
    assert {value for section in summary({}).values() for value in section.values()} == {None}
    assert summary({}).keys() == COUNTS.keys()


def test_it_stands_in_the_document_with_the_families_of_the_same_moment() -> None:
    """TL-150, TL-190: one vector makes both."""
    registry = Registry(METRICS)
    registry.set(SLOT_LIMIT, 41)
    registry.set(SLOTS_ALLOCATED, 5)
    registry.observe(SWEEP_SECONDS, 2.0)
    page = Page(page_registry(), {})
    whole = Page(page_registry(), {"observer": registry})
    whole.add_pipe("observer").receive(Vector(1, 0, tuple(registry.values)), 5)
    document = json.loads(whole.document(6, 7))
    assert document["track_b"]["available_slots"] == 36
    assert document["families"]["observer_track_b_slots_total"][0]["value"] == 41
    assert document["track_a"]["avg_collection_duration_ms"] == 2_000
    assert (document["as_of_ns"], document["part_up"]) == (7, {"observer": True})
    assert json.loads(page.document(6, 7))["universe"]["current_size"] is None


def page_registry() -> Registry:
    return Registry(page_metrics(("observer",), version="1", commit="", python="3"))
