"""Figures of upstreams."""

import math

from tests.upstream import policy_text

from veritape.gateway.closed_labels import closed_metrics
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.upstream_metrics import (
    HEALTHY_TARGETS,
    UPSTREAM_METRICS,
    UPSTREAM_REQUESTS,
    UPSTREAM_SECONDS,
    NoFigures,
    RegistryFigures,
)
from veritape.telemetry.registry import Registry


def test_attempts_and_healthy_targets_are_shown() -> None:
    """TL-250, GW-771, GW-772: by the policy's upstreams; one that came later is ``other``."""
    registry = Registry(
        closed_metrics(UPSTREAM_METRICS, read_policy(policy_text("http://a:1"), "f")), strict=True
    )
    figures = RegistryFigures(registry)
    figures.attempt("back", "2xx", 0.01)
    figures.attempt("back", "timeout", 1.0)
    figures.attempt("new", "error", 0.0)
    figures.healthy("back", 2)
    assert registry.value(UPSTREAM_REQUESTS, **{"upstream": "back", "class": "2xx"}) == 1
    assert registry.value(UPSTREAM_REQUESTS, **{"upstream": "back", "class": "timeout"}) == 1
    assert registry.value(UPSTREAM_REQUESTS, **{"upstream": "other", "class": "error"}) == 1
    assert registry.value(UPSTREAM_SECONDS, upstream="back") == 2
    assert registry.value(HEALTHY_TARGETS, upstream="back") == 2
    assert math.isnan(registry.value(HEALTHY_TARGETS, upstream="other"))


def test_without_a_page_nothing_moves() -> None:
    """TL-250: figures are optional."""
    NoFigures().attempt("a", "2xx", 0.0)
    NoFigures().healthy("a", 1)
