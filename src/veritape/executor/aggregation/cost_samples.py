"""What measured runs leave behind: samples of one machine, by parameter set, as a file's bytes (EX-446).

A figure of another machine says nothing here, so a file with another id counts as empty; so does one that is damaged: samples
come again. Figures of different parameter sets stand side by side and never mix.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from veritape.executor.aggregation.costs import KEPT, Figure, Sample

SCHEMA: Final = "veritape.costs/1"
"""Name and version of the file."""

BOUND: Final = 1 << 63
"""Numbers and costs are below: a file may hold any integer, and most of those are no float."""


class Measured(NamedTuple):
    """One cost of one run."""

    figure: Figure
    """What was measured."""
    number: int
    """What it depends on; 1 where on nothing."""
    cost: float
    """In the figure's unit."""


@dataclass(frozen=True)
class Origin:
    """What samples hold for."""

    machine: str
    """The machine's id."""
    parameters: str
    """The parameter set's id, hexadecimal."""


Samples = Mapping[Figure, list[Sample]]
"""Oldest first."""


def samples_of(data: bytes, origin: Origin) -> Samples:
    """Return the samples that a file holds for an origin; a figure or a sample that cannot be read is left out."""
    held = _sets(data, origin.machine).get(origin.parameters, {})
    if not isinstance(held, dict):
        return {}
    return {Figure(name): _readable(held[name]) for name in held if name in set(Figure)}


def with_measured(data: bytes, origin: Origin, measured: Iterable[Measured]) -> bytes:
    """Return the file with further samples; of each figure the newest stay."""
    samples = {figure: list(values) for figure, values in samples_of(data, origin).items()}
    for figure, number, cost in measured:
        samples.setdefault(figure, []).append((number, cost))
    ours = {str(figure): values[-KEPT:] for figure, values in samples.items()}
    sets = {**_sets(data, origin.machine), origin.parameters: ours}
    return json.dumps(
        {"schema": SCHEMA, "machine": origin.machine, "parameters": sets}, sort_keys=True
    ).encode()


def _sets(data: bytes, machine: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
        good = document["schema"] == SCHEMA and document["machine"] == machine
        sets = document["parameters"] if good else {}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return sets if isinstance(sets, dict) else {}


def _readable(values: Any) -> list[Sample]:
    found = values if isinstance(values, list) else []
    return [(one[0], float(one[1])) for one in found if _is_sample(one)]


def _is_sample(one: Any) -> bool:
    if not isinstance(one, list) or [type(part) for part in one] not in ([int, int], [int, float]):
        return False
    number, cost = one
    return bool(0 < number < BOUND and 0 <= cost < BOUND)
