"""The text format against the client library's writer and parser."""

import math
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.metrics_core import UnknownMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from veritape.telemetry import B3, Metric, MetricType, Registry
from veritape.telemetry.exposition import Exposition, label_text, number, sample_values

LABELS = (("zone", ('q"uote', "back\\slash")), ("area", ("new\nline", "plain")))
COUNT = Metric("count_total", MetricType.COUNTER, "Counts \\ with\nlines.", "it happened", labels=LABELS)
LEVEL = Metric("level", MetricType.GAUGE, "Stands.", "it changed")
WAIT = Metric(
    "wait_seconds",
    MetricType.HISTOGRAM,
    "Takes.",
    "it ended",
    buckets=(*B3, 5e6),
    labels=(("k", ("x", "y")),),
)
OLD = Metric("old", MetricType.UNTYPED, "Counts.", "it happened")
ALL = (COUNT, LEVEL, WAIT, OLD)


class Library(Collector):
    """The same values, written by prometheus-client."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def collect(self) -> Iterator[Family]:
        families: dict[str, Family] = {}
        for metric, values, slot in self.registry.rows:
            names = [name for name, _ in metric.labels]
            numbers = sample_values(metric, self.registry.values, slot)
            if metric.name not in families:
                families[metric.name] = self.family(metric, names)
            family = families[metric.name]
            if isinstance(family, HistogramMetricFamily):
                bounds = [*map(number, metric.buckets), "+Inf"]
                family.add_metric(values, list(zip(bounds, numbers[:-2], strict=True)), numbers[-1])
            elif isinstance(family, CounterMetricFamily | GaugeMetricFamily | UnknownMetricFamily):
                family.add_metric(values, numbers[0])
        yield from families.values()

    def family(self, metric: Metric, names: list[str]) -> Family:
        if metric.type is MetricType.HISTOGRAM:
            return HistogramMetricFamily(metric.name, metric.help, labels=names)
        if metric.type is MetricType.COUNTER:
            return CounterMetricFamily(metric.name, metric.help, labels=names)
        if metric.type is MetricType.UNTYPED:
            return UnknownMetricFamily(metric.name, metric.help, labels=names)
        return GaugeMetricFamily(metric.name, metric.help, labels=names)


def library_text(registry: Registry) -> bytes:
    collectors = CollectorRegistry(auto_describe=False)
    collectors.register(Library(registry))
    return generate_latest(collectors)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_the_page_equals_the_client_librarys(data: st.DataObject) -> None:
    """TL-110: equal bytes for random values."""
    registry = Registry(ALL)
    floats = st.lists(st.floats(), min_size=len(registry.values), max_size=len(registry.values))
    registry.values[:] = data.draw(floats)
    for row in registry.other_rows:
        registry.values[row[2] : row[2] + row[0].width] = [0.0] * row[0].width
    assert Exposition(registry, registry.metrics).text(registry.values) == library_text(registry)


@given(st.floats(min_value=0, allow_infinity=False))
def test_the_parser_reads_every_number_back(value: float) -> None:
    """TL-110: no precision is lost on the page."""
    assert float(number(value)) == value


def test_the_parser_reads_what_was_counted() -> None:
    """TL-110: names, labels and values come back from the library's parser."""
    registry = Registry(ALL)
    registry.add(COUNT, 3, zone='q"uote', area="new\nline")
    registry.observe(WAIT, 0.3, k="y")
    exposition = Exposition(registry, registry.metrics)
    exposition.text(registry.values)
    families = {
        family.name: family
        for family in text_string_to_metric_families(exposition.text(registry.values).decode())
    }
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for sample in families["count"].samples
    }
    assert samples["count_total", (("area", "new\nline"), ("zone", 'q"uote'))] == 3
    buckets = {
        sample.labels["le"]: sample.value
        for sample in families["wait_seconds"].samples
        if sample.labels.get("k") == "y" and "le" in sample.labels
    }
    assert (buckets["0.25"], buckets["0.5"], buckets["+Inf"]) == (0, 1, 1)


def test_numbers_are_written_as_go_writes_them() -> None:
    """TL-110: examples of the client library."""
    assert [number(value) for value in (math.nan, math.inf, -math.inf, 1e6, 123456.0, 0.5, 1e300)] == [
        "NaN",
        "+Inf",
        "-Inf",
        "1e+06",
        "123456.0",
        "0.5",
        "1e+300",
    ]
    assert label_text([]) == ""


def test_absent_series_and_other_parts_are_left_out() -> None:
    """TL-110 and TL-135: a family whose series are all absent has no header."""
    registry = Registry(ALL)
    text = Exposition(registry, registry.metrics).text(
        registry.values, absent={registry.index(LEVEL)}, families={"level", "old"}
    )
    assert text == b"# HELP old Counts.\n# TYPE old untyped\nold 0.0\n"
