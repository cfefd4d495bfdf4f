"""Definitions of metrics: what is refused, what is counted."""

from typing import Any

import pytest

from veritape.telemetry import B1, Metric, MetricType, with_values

GOOD: dict[str, Any] = {
    "name": "a_total",
    "type": MetricType.COUNTER,
    "help": "Counts.",
    "event": "it happened",
}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "A_total"},
        {"name": "a"},
        {"labels": (("kind", ()),)},
        {"labels": (("kind", ("x", "x")),)},
        {"labels": (("kind", ("x",)), ("kind", ("y",)))},
        {"labels": (("le", ("x",)),)},
        {"buckets": (1.0,)},
        {"type": MetricType.HISTOGRAM},
        {"type": MetricType.HISTOGRAM, "buckets": (2.0, 1.0)},
        {"type": MetricType.HISTOGRAM, "buckets": (1.0, float("inf"))},
        {"help": "no sentence"},
        {"event": ""},
    ],
)
def test_a_wrong_definition_is_refused(change: dict[str, Any]) -> None:
    """TL-010 and TL-050: a definition that breaks a rule of the catalogue raises."""
    with pytest.raises(ValueError, match=r"a_total|A_total|^a:"):
        Metric(**{**GOOD, **change})


def test_a_metric_is_a_frozen_value() -> None:
    """TL-010: two equal definitions are one value, and none can be changed."""
    assert Metric(**GOOD) == Metric(**GOOD)
    assert len({Metric(**GOOD), Metric(**GOOD)}) == 1
    with pytest.raises(AttributeError):
        Metric(**GOOD).name = "b_total"  # type: ignore[misc]


def test_series_count_histogram_samples() -> None:
    """TL-090: the bound counts a histogram's buckets, +Inf, sum and count."""
    labels = (("kind", ("x", "y")), ("code", ("1", "2", "3")))
    assert Metric(**{**GOOD, "labels": labels}).series == 6
    histogram = Metric(
        name="a_seconds", type=MetricType.HISTOGRAM, help="Takes.", event="it ended", buckets=B1
    )
    assert (histogram.series, histogram.width) == (16, 15)
    assert histogram.adds_up
    assert not Metric(name="g", type=MetricType.GAUGE, help="Is.", event="it changed").adds_up


def test_values_known_at_the_start_replace_a_tuple() -> None:
    """TL-010: a tuple that the policy closes is put in when the process starts."""
    metric = Metric(**{**GOOD, "labels": (("tier", ("free",)), ("mode", ("exact",)))})
    assert with_values(metric, tier=("free", "gold")).labels == (
        ("tier", ("free", "gold")),
        ("mode", ("exact",)),
    )
    with pytest.raises(ValueError, match="no label route"):
        with_values(metric, route=("x",))
