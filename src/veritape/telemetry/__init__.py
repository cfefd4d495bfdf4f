"""Metrics as values, their state, their text, and the merge over processes; log redaction.

A part lists ``Metric`` values in its own ``metrics.py``; a process builds one ``Registry`` of what it runs.
"""

from veritape.telemetry.metric import B1, B2, B3, B4, B5, B6, Labels, Merge, Metric, MetricType, with_values
from veritape.telemetry.registry import Registry

__all__ = [
    "B1",
    "B2",
    "B3",
    "B4",
    "B5",
    "B6",
    "Labels",
    "Merge",
    "Metric",
    "MetricType",
    "Registry",
    "with_values",
]
