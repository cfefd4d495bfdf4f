"""Suite ``telemetry``."""

from collections.abc import Iterator

from veritape.apps.bench.results import Row, Size, rates
from veritape.telemetry import Metric, Registry
from veritape.telemetry.metric import MetricType


def telemetry(size: Size) -> Iterator[Row]:
    """Measure the registry."""
    metric = Metric(
        "bench_events_total", MetricType.COUNTER, "Events of the benchmark.", "the benchmark runs"
    )
    registry = Registry((metric,))
    index = registry.index(metric)

    def bound() -> int:
        values = registry.values
        for _ in range(200_000):
            values[index] += 1
        return 200_000

    def by_name() -> int:
        for _ in range(20_000):
            registry.add(metric)
        return 20_000

    values, peers = rates(size, bound, by_name)
    yield Row("bound_increments_per_second", values, peer="increments by name", peer_values=peers)
