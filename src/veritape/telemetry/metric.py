"""What a metric is: a frozen value that every part lists in its own ``metrics.py``.

Nothing is registered on import. A process builds one ``Registry`` from the metrics of the parts that it runs and passes
it down. Values stand in the same order everywhere, so two processes built from the same list exchange plain vectors.
"""

import math
import re
from dataclasses import dataclass
from enum import StrEnum

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""Metric and label names: what Prometheus allows, less colons, digits first and capitals."""

OTHER = "other"
"""Label value of samples whose own value is outside its closed tuple (TL-040)."""

UNTYPED_SUFFIX = "_total"
"""Suffix that a counter has and an untyped counter of the source has not."""

B1 = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds: disk syncs, decisions, loop lag."""

B2 = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds: HTTP requests."""

B3 = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds: sweeps and waits for a permit."""

B4 = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds: proofs."""

B5 = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
"""Claims."""

B6 = (4096.0, 16384.0, 65536.0, 131072.0, 262144.0, 524288.0, 1048576.0, 4194304.0)
"""Bytes."""


class MetricType(StrEnum):
    """What the values of a family mean."""

    COUNTER = "counter"
    """Only rises; starts at 0 with the process."""
    GAUGE = "gauge"
    """Rises and falls; NaN while it is not known."""
    HISTOGRAM = "histogram"
    """Observations counted by upper bound, with their sum."""
    UNTYPED = "untyped"
    """A counter whose name lacks ``_total`` because users of the source look for it."""


class Merge(StrEnum):
    """How the gauges of several workers become one; counters and histograms are always added up."""

    SUM = "sum"
    """Each worker holds a share."""
    MAX = "max"
    """The worst or largest stands for all."""
    MIN = "min"
    """The smallest stands for all."""
    LAST = "last"
    """The newest vector's value."""


Labels = tuple[tuple[str, tuple[str, ...]], ...]
"""Label names, each with its closed tuple of values."""


@dataclass(frozen=True)
class Metric:
    """One family (TL-010). A wrong definition raises ValueError: it is a bug of ours."""

    name: str
    """Full name, base unit included."""
    type: MetricType
    """Counter, gauge, histogram or untyped."""
    help: str
    """One sentence."""
    event: str
    """The named event that sets it, as the reference says it."""
    unit: str = ""
    """Base unit in words; empty for plain counts."""
    labels: Labels = ()
    """Label names with their closed tuples, in the order of the tables."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, ascending, without +Inf."""
    merge: Merge = Merge.LAST
    """Rule for a gauge."""
    start: float = math.nan
    """A gauge's value from the start of the process; NaN: not known yet."""

    def __post_init__(self) -> None:
        names = [self.name, *(name for name, _ in self.labels)]
        if not all(NAME.fullmatch(name) for name in names) or len(set(names)) != len(names):
            raise ValueError(f"{self.name}: a metric and its labels have distinct lower-case names")
        if any(not values or len(set(values)) != len(values) for _, values in self.labels):
            raise ValueError(f"{self.name}: every label has a closed tuple of distinct values")
        if self.type is MetricType.COUNTER and not self.name.endswith(UNTYPED_SUFFIX):
            raise ValueError(f"{self.name}: a counter's name ends in _total")
        if (self.type is MetricType.HISTOGRAM) != bool(self.buckets):
            raise ValueError(f"{self.name}: a histogram has buckets and nothing else has")
        if list(self.buckets) != sorted(set(self.buckets)) or not all(map(math.isfinite, self.buckets)):
            raise ValueError(f"{self.name}: buckets are finite and ascend")
        if "le" in names or not self.help.endswith(".") or not self.event:
            raise ValueError(f"{self.name}: le is reserved; help is a sentence; the event has a name")

    @property
    def adds_up(self) -> bool:
        """Values are counts: they start at 0, never fall and are added over workers."""
        return self.type is not MetricType.GAUGE

    @property
    def width(self) -> int:
        """Slots of one series in a vector: a histogram's are its counts by bucket, +Inf, and the sum."""
        return len(self.buckets) + 2 if self.type is MetricType.HISTOGRAM else 1

    @property
    def series(self) -> int:
        """Series of the family, histogram samples counted (TL-090)."""
        combinations = math.prod(len(values) for _, values in self.labels)
        return combinations * (len(self.buckets) + 3 if self.type is MetricType.HISTOGRAM else 1)


def with_values(metric: Metric, **values: tuple[str, ...]) -> Metric:
    """Return the metric with other closed tuples for the named labels: those that a process knows at its start."""
    known = dict(metric.labels)
    if unknown := values.keys() - known.keys():
        raise ValueError(f"{metric.name} has no label {', '.join(sorted(unknown))}")
    labels = tuple((name, values.get(name, tuple_)) for name, tuple_ in metric.labels)
    return Metric(**{**vars(metric), "labels": labels})
