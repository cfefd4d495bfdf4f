"""One page for all parts: the vectors of child processes merged with the supervisor's own registry (TL-130, TL-135).

Each pipe remembers the last vector of its living process and what its dead ones had counted, so a restart never lowers a
count. Counts and histograms are added up; gauges follow their rule and are left out while their part is down, so that
"down" and "last value" cannot be confused.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from veritape.kernel.clock import NANOSECONDS
from veritape.telemetry.exposition import Exposition, sample_values
from veritape.telemetry.metric import Merge, Metric, MetricType
from veritape.telemetry.metrics import OPTIONAL_CHECKS, PART_UP, READY, READY_CHECK
from veritape.telemetry.registry import Registry, Row, Series
from veritape.telemetry.summary import summary
from veritape.telemetry.vectors import Vector

FRESH_NS = 3 * NANOSECONDS
"""Nanoseconds after a process's last vector in which it counts as up (TL-135)."""


@dataclass
class Pipe:
    """What one pipe has told: its living process and the sum of the dead ones."""

    process_id: int = 0
    """Of the last vector."""
    latest: tuple[float, ...] = ()
    """The last vector; empty before the first."""
    retired: list[float] = field(default_factory=list)
    """Counts of the processes before; empty before the first death."""
    received_ns: int = 0
    """Monotonic time of the last vector."""

    def receive(self, vector: Vector, now_ns: int) -> None:
        """Take a vector; another process id retires the one before."""
        if self.latest and vector.process_id != self.process_id:
            before = self.retired or [0.0] * len(self.latest)
            self.retired = [old + last for old, last in zip(before, self.latest, strict=True)]
        self.process_id, self.latest, self.received_ns = vector.process_id, vector.values, now_ns

    def is_fresh(self, now_ns: int) -> bool:
        """Tell whether the process counts as up."""
        return bool(self.latest) and now_ns - self.received_ns < FRESH_NS


@dataclass
class Part:
    """One part of the chain in child processes of its own."""

    registry: Registry
    """The layout of its vectors."""
    pipes: list[Pipe] = field(default_factory=list)
    """One for each child process."""

    def is_up(self, now_ns: int) -> bool:
        """Tell whether any of its processes counts as up."""
        return any(pipe.is_fresh(now_ns) for pipe in self.pipes)

    def checks(self) -> dict[str, bool]:
        """Return which checks of readiness its processes run, and whether they pass in each of them, by their newest vectors."""
        slots = {
            labels[0]: slot
            for (name, labels), slot in self.registry.slots.items()
            if name == READY_CHECK.name
        }
        found: dict[str, bool] = {}
        for latest in (pipe.latest for pipe in self.pipes if pipe.latest):
            for check, slot in slots.items():
                if not math.isnan(latest[slot]):
                    found[check] = found.get(check, True) and latest[slot] == 1
        return found

    def is_ready(self, now_ns: int) -> bool:
        """Tell whether it reports and every required check passes."""
        failed = {check for check, passed in self.checks().items() if not passed}
        return self.is_up(now_ns) and failed <= OPTIONAL_CHECKS


@dataclass(frozen=True)
class _Source:
    """Where the slots of one registry lie on the page."""

    counts: tuple[tuple[int, int], ...]
    gauges: tuple[tuple[int, int, Merge], ...]


class Page:
    """The merge of everything that a supervisor knows. Reading it changes nothing (TL-140)."""

    def __init__(self, own: Registry, parts: Mapping[str, Registry]) -> None:
        self._own = own
        self.parts = {name: Part(registry) for name, registry in parts.items()}
        """Parts in the order of the chain."""
        self._series = Series()
        metrics = _union([own, *parts.values()])
        _append_rows(self._series, metrics, [own, *parts.values()])
        self._sources = {name: _source(registry, self._series) for name, registry in parts.items()}
        self._own_source = _source(own, self._series)
        self._exposition = Exposition(self._series, metrics.values())
        self._start = tuple(self._series.values)

    def add_pipe(self, part: str) -> Pipe:
        """Return the state of a new pipe for one process of a part."""
        pipe = Pipe()
        self.parts[part].pipes.append(pipe)
        return pipe

    def part_up(self, now_ns: int) -> dict[str, bool]:
        """Tell which parts are up."""
        return {name: part.is_up(now_ns) for name, part in self.parts.items()}

    def merged(self, now_ns: int) -> tuple[list[float], set[int]]:
        """Return the page's vector and the slots of gauges that nobody alive reports."""
        for name, up in self.part_up(now_ns).items():
            self._own.set(PART_UP, float(up), part=name)
            self._own.set(READY, float(self.parts[name].is_ready(now_ns)), part=name)
        values, seen = list(self._start), set[int]()
        for src, dst in self._own_source.counts:
            values[dst] += self._own.values[src]
        _merge_gauges(values, seen, self._own_source, self._own.values)
        pipes = [(pipe, self._sources[name]) for name, part in self.parts.items() for pipe in part.pipes]
        for pipe, source in sorted(pipes, key=lambda item: item[0].received_ns):
            for counted in (pipe.latest, pipe.retired):
                if counted:
                    for src, dst in source.counts:
                        values[dst] += counted[src]
            if pipe.is_fresh(now_ns):
                _merge_gauges(values, seen, source, pipe.latest)
        return values, {slot for metric, _, slot in self._rows() if not metric.adds_up} - seen

    def text(self, now_ns: int, part: str | None = None) -> bytes:
        """Return the page in Prometheus's text format, or one part's families of it."""
        values, absent = self.merged(now_ns)
        families = None if part is None else {metric.name for metric in self.parts[part].registry.metrics}
        return self._exposition.text(values, absent=absent, families=families)

    def families(self, now_ns: int) -> dict[str, list[dict[str, object]]]:
        """Return the page as values: family -> series with labels and value, NaN as None (TL-150).

        A histogram's value is its count; ``sum`` and ``buckets`` (cumulative, by upper bound) stand beside it.
        """
        values, absent = self.merged(now_ns)
        found: dict[str, list[dict[str, object]]] = {}
        for metric, labels, slot in self._series.shown(values):
            if slot not in absent:
                named = {name: value for (name, _), value in zip(metric.labels, labels, strict=True)}
                found.setdefault(metric.name, []).append({"labels": named, **_members(metric, values, slot)})
        return found

    def document(self, now_ns: int, wall_ns: int) -> bytes:
        """Return ``/metrics.json``: the summary, families, parts and the time, all of one moment (TL-190), as UTF-8 JSON."""
        up = self.part_up(now_ns)
        families = self.families(now_ns)
        body = {**summary(families), "families": families, "as_of_ns": wall_ns, "part_up": up}
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()

    def _rows(self) -> Sequence[Row]:
        return (*self._series.rows, *self._series.other_rows)


def _members(metric: Metric, values: Sequence[float], slot: int) -> dict[str, object]:
    samples = [value if math.isfinite(value) else None for value in sample_values(metric, values, slot)]
    if metric.type is not MetricType.HISTOGRAM:
        return {"value": samples[0]}
    buckets = [[bound, count] for bound, count in zip(metric.buckets, samples, strict=False)]
    return {"value": samples[-2], "sum": samples[-1], "buckets": buckets}


def _union(registries: Sequence[Registry]) -> dict[str, Metric]:
    """Return each family once; two registries that define one differently raise ValueError: a bug of ours."""
    found: dict[str, Metric] = {}
    for metric in (metric for registry in registries for metric in registry.metrics):
        first = found.setdefault(metric.name, metric)
        if _shape(first) != _shape(metric):
            raise ValueError(f"{metric.name} is defined in two ways")
    return found


def _shape(metric: Metric) -> tuple[object, ...]:
    names = tuple(name for name, _ in metric.labels)
    return metric.type, metric.help, names, metric.buckets, metric.merge


def _append_rows(series: Series, metrics: Mapping[str, Metric], registries: Sequence[Registry]) -> None:
    """Lay the registries' series out family by family, each once."""
    by_family: dict[str, list[tuple[tuple[str, ...], bool]]] = {name: [] for name in metrics}
    for registry in registries:
        for rows, other in ((registry.rows, False), (registry.other_rows, True)):
            for metric, values, _ in rows:
                by_family[metric.name].append((values, other))
    for name, rows_of_family in by_family.items():
        for values, other in sorted(rows_of_family, key=lambda row: row[1]):
            if (name, values) not in series.slots:
                series.append(metrics[name], values, other=other)


def _source(registry: Registry, series: Series) -> _Source:
    counts: list[tuple[int, int]] = []
    gauges: list[tuple[int, int, Merge]] = []
    for metric, values, slot in (*registry.rows, *registry.other_rows):
        target = series.slots[metric.name, values]
        if metric.adds_up:
            counts.extend((slot + step, target + step) for step in range(metric.width))
        else:
            gauges.append((slot, target, metric.merge))
    return _Source(tuple(counts), tuple(gauges))


def _merge_gauges(values: list[float], seen: set[int], source: _Source, reported: Sequence[float]) -> None:
    """Merge the gauges of one living process into the page; a value that is not known yet gives way."""
    for src, dst, rule in source.gauges:
        value = reported[src]
        if dst not in seen or math.isnan(values[dst]):
            values[dst] = value
        elif not math.isnan(value):
            values[dst] = _merge(rule, values[dst], value)
        seen.add(dst)


def _merge(rule: Merge, before: float, value: float) -> float:
    if rule is Merge.SUM:
        return before + value
    if rule is Merge.LAST:
        return value
    return max(before, value) if rule is Merge.MAX else min(before, value)
