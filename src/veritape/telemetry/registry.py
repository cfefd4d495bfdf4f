"""The state of a process's metrics: one list of floats, indexed by numbers that callers bind once (TL-080).

A hot path keeps ``i = registry.index(METRIC, label="value")`` and does ``registry.values[i] += 1``. There is no lock: one
thread owns a registry, other threads and processes have their own and send vectors. Every series exists from the start:
counts at 0, gauges at the value of their row.

Each labelled family has one more row, ``other``, for samples whose label value is outside its tuple. It shows itself only
once it was used, which is always a bug of ours: under ``strict`` such a value raises.
"""

import hashlib
import json
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

from veritape.telemetry.metric import OTHER, Metric, MetricType

DIGEST_BYTES = 16
"""BLAKE2b-128 of the definitions: tells two registries apart (TL-120)."""

OVERFLOW = Metric(
    name="veritape_label_overflow_total",
    type=MetricType.COUNTER,
    help="Samples whose label value was outside its closed tuple.",
    event="a label value was not in its tuple: a bug of ours",
)
"""In every registry: TL-040's count."""

Row = tuple[Metric, tuple[str, ...], int]
"""A series: its family, its label values in the family's order, its first slot."""


class Series:
    """Series in page order: those of the closed tuples, and the ``other`` rows that show once used."""

    def __init__(self) -> None:
        self.values: list[float] = []
        """Every slot. Owned by one thread."""
        self.rows: list[Row] = []
        """Series of the closed tuples."""
        self.other_rows: list[Row] = []
        """The rows for values outside their tuple."""
        self.slots: dict[tuple[str, tuple[str, ...]], int] = {}
        """(family, label values) -> first slot."""

    def append(self, metric: Metric, values: tuple[str, ...], *, other: bool = False) -> int:
        """Add a series at the end; return its first slot."""
        slot = self.slots[metric.name, values] = len(self.values)
        self.values.extend([0.0 if metric.adds_up else metric.start] * metric.width)
        (self.other_rows if other else self.rows).append((metric, values, slot))
        return slot

    def shown(self, values: Sequence[float]) -> Iterator[Row]:
        """Yield the series of a vector that a page shows, family by family."""
        others = [row for row in self.other_rows if _used(row[0], values, row[2])]
        yield from sorted((*self.rows, *others), key=lambda row: row[2]) if others else self.rows


class Registry(Series):
    """Values of the given families, in the given order."""

    def __init__(self, metrics: Iterable[Metric], *, strict: bool = False) -> None:
        super().__init__()
        given = tuple(metrics)
        self.metrics = given if OVERFLOW in given else (*given, OVERFLOW)
        """Families in vector order."""
        names = [metric.name for metric in self.metrics]
        if len(set(names)) != len(names):
            raise ValueError("a registry holds each family once")
        self._strict = strict
        for metric in self.metrics:
            self._lay_out(metric)
        self.digest = _digest(self.metrics)
        """Names the layout: equal digests mean equal slots."""
        self._overflow = self.slots[OVERFLOW.name, ()]

    def _lay_out(self, metric: Metric) -> None:
        for values in product(*(values for _, values in metric.labels)):
            self.append(metric, values)
        others = (OTHER,) * len(metric.labels)
        if metric.labels and (metric.name, others) not in self.slots:
            self.append(metric, others, other=True)

    def index(self, metric: Metric, /, **labels: str) -> int:
        """Return the first slot of a series, to be bound by hot paths.

        A family that is not in this registry or a label name that is not the family's raises KeyError: a bug of ours.
        """
        if labels.keys() != {name for name, _ in metric.labels}:
            raise KeyError(f"{metric.name} has the labels {[name for name, _ in metric.labels]}")
        values = tuple(labels[name] for name, _ in metric.labels)
        slot = self.slots.get((metric.name, values))
        return self._overflow_slot(metric, values) if slot is None else slot

    def _overflow_slot(self, metric: Metric, values: tuple[str, ...]) -> int:
        """Return the slot that takes a sample with a value outside its tuple, and count it."""
        if self._strict or not metric.labels:
            raise KeyError(f"{metric.name}{list(values)} is not a series of this registry")
        self.values[self._overflow] += 1
        mended = tuple(
            value if value in closed else OTHER
            for value, (_, closed) in zip(values, metric.labels, strict=True)
        )
        slot = self.slots.get((metric.name, mended))
        return self.slots[metric.name, (OTHER,) * len(values)] if slot is None else slot

    def add(self, metric: Metric, amount: float = 1.0, /, **labels: str) -> None:
        """Raise a count; a negative amount or a family that does not count raises ValueError."""
        if metric.type not in {MetricType.COUNTER, MetricType.UNTYPED} or not amount >= 0:
            raise ValueError(f"{metric.name}: only a count rises, by 0 or more")
        self.values[self.index(metric, **labels)] += amount

    def set(self, metric: Metric, value: float, /, **labels: str) -> None:
        """Put a gauge at a value."""
        if metric.type is not MetricType.GAUGE:
            raise ValueError(f"{metric.name}: only a gauge is set")
        self.values[self.index(metric, **labels)] = float(value)

    def observe(self, metric: Metric, value: float, /, **labels: str) -> None:
        """Count one observation of a histogram: seconds of the monotonic clock, bytes or claims."""
        self.observer(metric, **labels)(value)

    def observer(self, metric: Metric, /, **labels: str) -> Callable[[float], None]:
        """Return the bound form of ``observe`` for hot paths."""
        if metric.type is not MetricType.HISTOGRAM:
            raise ValueError(f"{metric.name}: only a histogram observes")
        slot, buckets, values = self.index(metric, **labels), metric.buckets, self.values
        total = slot + len(buckets) + 1

        def observe(value: float) -> None:
            values[slot + bisect_left(buckets, value)] += 1
            values[total] += value

        return observe

    def value(self, metric: Metric, /, **labels: str) -> float:
        """Return the value of a count or gauge, or the number of observations of a histogram."""
        slot = self.index(metric, **labels)
        return observations(metric, self.values, slot) if metric.buckets else self.values[slot]


def observations(metric: Metric, values: Sequence[float], slot: int) -> float:
    """Return how many observations a histogram's series holds."""
    return sum(values[slot : slot + len(metric.buckets) + 1])


def _used(metric: Metric, values: Sequence[float], slot: int) -> bool:
    """Tell whether a sample ever went to a row: a count above 0, a gauge away from its start."""
    if metric.adds_up:
        return any(values[slot : slot + metric.width])
    value = values[slot]
    return value != metric.start and not (math.isnan(value) and math.isnan(metric.start))


def _digest(metrics: Sequence[Metric]) -> bytes:
    layout = [
        [metric.name, metric.type, metric.labels, [repr(bound) for bound in metric.buckets], metric.merge]
        for metric in metrics
    ]
    return hashlib.blake2b(json.dumps(layout).encode(), digest_size=DIGEST_BYTES).digest()
