"""The registry: every series from the start, bound indices, closed labels."""

import math
from collections.abc import Callable

import pytest

from veritape.telemetry import Metric, MetricType, Registry
from veritape.telemetry.registry import OVERFLOW, observations

COUNT = Metric("count_total", MetricType.COUNTER, "Counts.", "it happened", labels=(("kind", ("a", "b")),))
SPARE = Metric(
    "spare_total",
    MetricType.COUNTER,
    "Counts.",
    "it happened",
    labels=(("kind", ("a", "other")), ("side", ("l", "r"))),
)
LEVEL = Metric("level", MetricType.GAUGE, "Stands.", "it changed", labels=(("kind", ("a",)),))
ZERO = Metric("zero", MetricType.GAUGE, "Stands.", "it changed", start=0.0)
WAIT = Metric("wait_seconds", MetricType.HISTOGRAM, "Takes.", "it ended", buckets=(1.0, 2.0))
OLD = Metric("old", MetricType.UNTYPED, "Counts.", "it happened")
ALL = (COUNT, SPARE, LEVEL, ZERO, WAIT, OLD)


def test_every_series_exists_from_the_start() -> None:
    """TL-030: counts and histograms begin at 0, gauges at their row's value, else NaN."""
    registry = Registry(ALL)
    assert [(row[0].name, row[1]) for row in registry.shown(registry.values)] == [
        ("count_total", ("a",)),
        ("count_total", ("b",)),
        ("spare_total", ("a", "l")),
        ("spare_total", ("a", "r")),
        ("spare_total", ("other", "l")),
        ("spare_total", ("other", "r")),
        ("level", ("a",)),
        ("zero", ()),
        ("wait_seconds", ()),
        ("old", ()),
        ("veritape_label_overflow_total", ()),
    ]
    assert registry.value(COUNT, kind="a") == registry.value(ZERO) == registry.value(WAIT) == 0
    assert math.isnan(registry.value(LEVEL, kind="a"))


def test_a_bound_index_is_the_series() -> None:
    """TL-080: an increment of a bound index is seen under its name."""
    registry = Registry(ALL)
    registry.values[registry.index(COUNT, kind="b")] += 1
    registry.add(COUNT, kind="b")
    registry.add(COUNT, 2, kind="b")
    registry.add(OLD, 5)
    registry.set(LEVEL, 7, kind="a")
    assert (registry.value(COUNT, kind="b"), registry.value(COUNT, kind="a")) == (4, 0)
    assert (registry.value(OLD), registry.value(LEVEL, kind="a")) == (5, 7)


def test_an_observation_on_a_bound_belongs_to_it() -> None:
    """TL-080 and TL-115: a value equal to an upper bound is counted beneath it."""
    registry = Registry((WAIT,))
    for seconds in (0.5, 1.0, 1.5, 2.0, 9.0):
        registry.observe(WAIT, seconds)
    slot = registry.index(WAIT)
    assert registry.values[slot : slot + 4] == [2, 2, 1, 14.0]
    assert registry.value(WAIT) == observations(WAIT, registry.values, slot) == 5


def test_a_value_outside_its_tuple_goes_to_other() -> None:
    """TL-040: in production the sample goes to ``other`` and the overflow count rises by 1."""
    registry = Registry(ALL)
    registry.add(COUNT, kind="005930")
    registry.add(SPARE, kind="x", side="r")
    registry.add(SPARE, kind="a", side="x")
    registry.set(LEVEL, 3, kind="x")
    assert registry.value(OVERFLOW) == 4
    shown = {(row[0].name, row[1]): registry.values[row[2]] for row in registry.shown(registry.values)}
    assert shown["count_total", ("other",)] == 1
    assert shown["spare_total", ("other", "r")] == 1
    assert shown["spare_total", ("other", "other")] == 1
    assert shown["level", ("other",)] == 3


def test_a_value_outside_its_tuple_raises_in_tests() -> None:
    """TL-040: a strict registry calls it the bug that it is."""
    with pytest.raises(KeyError, match="005930"):
        Registry(ALL, strict=True).add(COUNT, kind="005930")


WRONG: dict[str, Callable[[Registry], object]] = {
    "falls": lambda registry: registry.add(COUNT, -1, kind="a"),
    "unknown": lambda registry: registry.add(COUNT, math.nan, kind="a"),
    "gauge added": lambda registry: registry.add(LEVEL, kind="a"),
    "count set": lambda registry: registry.set(COUNT, 1, kind="a"),
    "count observed": lambda registry: registry.observe(OLD, 1),
    "twice": lambda registry: Registry((*registry.metrics, OLD)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_use_raises(name: str) -> None:
    """TL-010: a count never falls, a gauge is not added to, a family stands once."""
    with pytest.raises(ValueError, match=r".+"):
        WRONG[name](Registry(ALL))


def test_an_unknown_family_or_label_raises() -> None:
    """TL-020: what is not in the process's registry cannot be set."""
    registry = Registry((COUNT, OLD))
    with pytest.raises(KeyError, match="labels"):
        registry.index(COUNT)
    with pytest.raises(KeyError):
        registry.index(ZERO)
    with pytest.raises(KeyError):
        registry.index(LEVEL, kind="a")


def test_equal_definitions_have_equal_digests() -> None:
    """TL-120: the digest tells layouts apart, and the order is part of a layout."""
    assert Registry(ALL).digest == Registry(ALL).digest
    assert Registry((COUNT, ZERO)).digest != Registry((ZERO, COUNT)).digest
    assert Registry((*ALL, OVERFLOW)).digest == Registry(ALL).digest
