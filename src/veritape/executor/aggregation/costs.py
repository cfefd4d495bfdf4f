"""Costs of proving as measured on this machine: samples in, medians and straight lines out (EX-446).

A figure with fewer than three samples is not known; whoever needs it falls back and says which one is missing.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

KEPT = 20
"""Newest samples of a figure that count."""

NEEDED = 3
"""Samples without which a figure is not known."""


class Figure(StrEnum):
    """What is measured."""

    LEAF_S = "t_leaf"
    """Seconds of one single proof."""
    LEAF_BYTES = "leaf_peak_bytes"
    """Peak memory of one single proof."""
    LEAF_PROOF_BYTES = "leaf_proof_bytes"
    """Size of one single proof."""
    BATCH_ROWS = "batch_rows"
    """Rows of a batch's executions together, by number of claims."""
    BATCH_S = "t_batch"
    """Seconds of a batch proof, by number of rows."""
    BATCH_BYTES = "batch_peak_bytes"
    """Peak memory of a batch proof, by number of rows."""
    NODE_S = "t_node"
    """Seconds of a node, by number of children."""
    NODE_BYTES = "node_peak_bytes"
    """Peak memory of a node, by number of children."""
    BRIDGE_S = "t_bridge"
    """Seconds of the bridge to the settlement's hash, by number of claims."""
    LAST_S = "t_last"
    """Seconds of the last layers."""
    VERIFY_SINGLE_MS = "verify_ms_single"
    """Milliseconds of checking one single proof."""
    VERIFY_BATCH_MS = "verify_ms_batch"
    """Milliseconds of checking a batch proof with all its claims."""
    VERIFY_AGGREGATE_MS = "verify_ms_aggregate"
    """Milliseconds of checking an aggregate by recursion."""
    GAS_LAST = "gas_last"
    """Gas of one settlement."""
    GAS_SINGLE = "gas_single"
    """Gas of checking one proof alone."""


@dataclass(frozen=True)
class Line:
    """A cost that grows with a number: ``base + slope x``."""

    base: float
    """At 0."""
    slope: float = 0.0
    """A unit more."""

    def at(self, number: float) -> float:
        """Return the cost at a number."""
        return self.base + self.slope * number


Sample = tuple[int, float]
"""The number that a cost depends on (1 where on none), and the cost."""

Costs = Mapping[Figure, Line]
"""Every figure that is known."""

_GROWING: Final = frozenset(
    {
        Figure.BATCH_ROWS,
        Figure.BATCH_S,
        Figure.BATCH_BYTES,
        Figure.NODE_S,
        Figure.NODE_BYTES,
        Figure.BRIDGE_S,
    }
)


def costs_of(samples: Mapping[Figure, Sequence[Sample]]) -> Costs:
    """Return the figures that enough samples stand behind."""
    return {
        figure: _fitted(values[-KEPT:]) if figure in _GROWING else _median(values[-KEPT:])
        for figure, values in samples.items()
        if len(values) >= NEEDED
    }


def _median(samples: Sequence[Sample]) -> Line:
    return Line(statistics.median(cost for _, cost in samples))


def _fitted(samples: Sequence[Sample]) -> Line:
    """Return the least-squares line that falls nowhere; a constant where all samples share one number."""
    numbers, costs = [number for number, _ in samples], [cost for _, cost in samples]
    if len(set(numbers)) == 1:
        return _median(samples)
    slope, base = statistics.linear_regression(numbers, costs)
    return Line(base, slope) if slope >= 0 else _median(samples)
