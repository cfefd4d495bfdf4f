"""The text format of Prometheus, version 0.0.4, as prometheus-client writes it (TL-110).

*Source*: Prometheus documentation, "Exposition formats", text-based format. The client library's writer defines the
output and a test requires equal bytes; here names and labels are rendered once and only numbers are formatted at each
scrape. Labels stand in the order of their names; histograms are cumulative and ``+Inf`` equals the count.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate

from veritape.telemetry.metric import Metric, MetricType
from veritape.telemetry.registry import Row, Series

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of the page."""

POINT_LIMIT = 6
"""Digits before the point above which a number is written with an exponent, as Go does."""


def number(value: float) -> str:
    """Write a number as the client library does: ``1000000.0`` becomes ``1e+06``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(float(value))
    whole, point, fraction = text.partition(".")
    if value > 0 and point and len(whole) > POINT_LIMIT:
        mantissa = f"{whole[0]}.{whole[1:]}{fraction}".rstrip("0.")
        return f"{mantissa}e+{len(whole) - 1:02d}"
    return text


def help_text(text: str) -> str:
    r"""Escape a help line: backslash and line feed."""
    return text.replace("\\", r"\\").replace("\n", r"\n")


def label_text(pairs: Iterable[tuple[str, str]]) -> str:
    r"""Write a label set with its braces, by name; empty for none. Backslash, line feed and quote are escaped."""
    escaped = [f'{name}="{_escaped(value)}"' for name, value in sorted(pairs)]
    return "{" + ",".join(escaped) + "}" if escaped else ""


def _escaped(value: str) -> str:
    return help_text(value).replace('"', r"\"")


class Exposition:
    """Writes pages of one layout; prefixes are rendered on first use and kept."""

    def __init__(self, series: Series, metrics: Iterable[Metric]) -> None:
        self._series = series
        self._prefixes: dict[int, tuple[str, ...]] = {}
        self._headers = {
            metric.name: f"# HELP {metric.name} {help_text(metric.help)}\n# TYPE {metric.name} {metric.type}\n"
            for metric in metrics
        }

    def text(
        self,
        values: Sequence[float],
        *,
        absent: Collection[int] = (),
        families: Collection[str] | None = None,
    ) -> bytes:
        """Return the page of a vector.

        Args:
            values: one vector in the layout's order.
            absent: first slots of series that are left out.
            families: names to show; None shows all. A family without series is left out whole.
        """
        parts: list[str] = []
        previous = ""
        for row in self._series.shown(values):
            metric, _, slot = row
            if slot in absent or (families is not None and metric.name not in families):
                continue
            if metric.name != previous:
                parts.append(self._headers[metric.name])
                previous = metric.name
            prefixes = self._prefixes.get(slot) or self._render(row)
            numbers = sample_values(metric, values, slot)
            parts.extend(
                f"{prefix}{number(value)}\n" for prefix, value in zip(prefixes, numbers, strict=True)
            )
        return "".join(parts).encode()

    def _render(self, row: Row) -> tuple[str, ...]:
        metric, values, slot = row
        pairs = [(name, value) for (name, _), value in zip(metric.labels, values, strict=True)]
        labels = label_text(pairs)
        if metric.type is not MetricType.HISTOGRAM:
            prefixes: tuple[str, ...] = (f"{metric.name}{labels} ",)
        else:
            bounds = [*map(number, metric.buckets), "+Inf"]
            buckets = (f"{metric.name}_bucket{label_text([*pairs, ('le', bound)])} " for bound in bounds)
            prefixes = (*buckets, f"{metric.name}_count{labels} ", f"{metric.name}_sum{labels} ")
        self._prefixes[slot] = prefixes
        return prefixes


def sample_values(metric: Metric, values: Sequence[float], slot: int) -> Sequence[float]:
    """Return the numbers of a series in page order: a histogram's cumulative buckets, its count, its sum."""
    if metric.type is not MetricType.HISTOGRAM:
        return (values[slot],)
    total = slot + len(metric.buckets) + 1
    cumulative = list(accumulate(values[slot:total]))
    return [*cumulative, cumulative[-1], values[total]]
