"""The choice by measured costs: candidates, what binds them, what they cost, and when to change one's mind (EX-447, 448)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from veritape.executor.aggregation.costs import Costs, Figure, Line
from veritape.executor.aggregation.plans import (
    MAX_DEPTH,
    AggregationConfig,
    Context,
    Label,
    Plan,
    Prices,
    tree_label,
    tree_levels,
)

PATIENCE = 3
"""Decisions in a row in which a new plan must be cheaper before it replaces the old one."""

GAIN = 0.10
"""Part by which it must be cheaper."""

_NONE: Final = Line(0.0)


@dataclass(frozen=True)
class Candidate:
    """One plan with what it takes."""

    plan: Plan
    """What would be executed."""
    seconds: float
    """Latency."""
    core_seconds: float
    """Work of all cores."""
    gas: float
    """Of its settlement."""
    bytes: float
    """Peak memory of the jobs that run side by side."""
    cost: float
    """Weighed by the prices."""
    binding: str = ""
    """The constraint that forbids it; empty: feasible."""


@dataclass(frozen=True)
class History:
    """What hysteresis remembers from one decision to the next."""

    label: Label
    """The plan in force, by its label."""
    rival: Label | None = None
    """A cheaper one."""
    times: int = 0
    """Decisions in a row in which the rival was cheaper."""


def needed(context: Context) -> tuple[Figure, ...]:
    """Return the figures without which a choice would guess."""
    always = (
        Figure.LEAF_S,
        Figure.NODE_S,
        Figure.BRIDGE_S,
        Figure.LAST_S,
        Figure.GAS_LAST,
        Figure.GAS_SINGLE,
    )
    batch = (Figure.BATCH_ROWS, Figure.BATCH_S) if context.inputs_at_hand else ()
    memory = (Figure.LEAF_BYTES, Figure.NODE_BYTES) if context.memory_bytes is not None else ()
    both = (Figure.BATCH_BYTES,) if batch and memory else ()
    return always + batch + memory + both


def candidates(
    count: int, config: AggregationConfig, costs: Costs, context: Context
) -> tuple[Candidate, ...]:
    """Return every plan for so many claims, feasible or not, in the order of their depth."""
    made = [_none(count, costs, context)]
    if context.inputs_at_hand:
        made.append(_batch(count, costs, context))
    if count > 1:
        made.append(_tree(count, config.arity, costs, context))
    return tuple(_weighed(one, count, config.prices, context) for one in made)


def choose(found: Sequence[Candidate]) -> Candidate | None:
    """Return the cheapest feasible candidate; ties by latency, then by fewer levels."""
    feasible = [one for one in found if not one.binding]
    return min(feasible, key=lambda one: (one.cost, one.seconds, len(one.plan.levels)), default=None)


def settled(
    found: Sequence[Candidate], best: Candidate, history: History | None
) -> tuple[Candidate, History]:
    """Return the candidate that hysteresis lets win, and what to remember."""
    kept = next(
        (one for one in found if history and one.plan.label is history.label and not one.binding), None
    )
    if history is None or kept is None or kept is best:
        return best, History(best.plan.label)
    if best.cost > kept.cost * (1 - GAIN):
        return kept, History(history.label)
    times = history.times + 1 if history.rival is best.plan.label else 1
    if times >= PATIENCE:
        return best, History(best.plan.label)
    return kept, History(history.label, best.plan.label, times)


def _at(costs: Costs, figure: Figure, number: float = 1) -> float:
    return costs.get(figure, _NONE).at(number)


def _none(count: int, costs: Costs, context: Context) -> Candidate:
    each = _at(costs, Figure.LEAF_S) + _at(costs, Figure.LAST_S)
    rounds = math.ceil(count / context.workers)
    gas = count * _at(costs, Figure.GAS_SINGLE)
    side_by_side = min(count, context.workers) * _at(costs, Figure.LEAF_BYTES)
    return Candidate(Plan(Label.NONE), rounds * each, count * each * context.threads, gas, side_by_side, 0.0)


def _batch(count: int, costs: Costs, context: Context) -> Candidate:
    """One proof over all executions, one compress node above it, the bridge and the last layers."""
    rows = _at(costs, Figure.BATCH_ROWS, count)
    proving = _at(costs, Figure.BATCH_S, rows) + _at(costs, Figure.NODE_S, 1)
    seconds = proving + _ending(count, costs)
    peak = max(_at(costs, Figure.BATCH_BYTES, rows), _at(costs, Figure.NODE_BYTES, 1))
    gas = _at(costs, Figure.GAS_LAST)
    return Candidate(Plan(Label.BATCH), seconds, seconds * context.threads, gas, peak, 0.0)


def _tree(count: int, arity: int, costs: Costs, context: Context) -> Candidate:
    levels = tree_levels(count, arity)
    node = _at(costs, Figure.NODE_S, min(arity, count))
    leaves = count if context.inputs_at_hand else 0
    leaf = _at(costs, Figure.LEAF_S)
    rounds = sum(math.ceil(nodes / context.workers) for nodes in levels)
    ending = _ending(count, costs)
    seconds = math.ceil(leaves / context.workers) * leaf + rounds * node + ending
    work = leaves * leaf + sum(levels) * node + ending
    peak = min(levels[0], context.workers) * _at(costs, Figure.NODE_BYTES, min(arity, count))
    gas = _at(costs, Figure.GAS_LAST)
    plan = Plan(tree_label(levels), levels)
    return Candidate(plan, seconds, work * context.threads, gas, peak, 0.0)


def _ending(count: int, costs: Costs) -> float:
    return _at(costs, Figure.BRIDGE_S, count) + _at(costs, Figure.LAST_S)


def _weighed(one: Candidate, count: int, prices: Prices, context: Context) -> Candidate:
    gas = one.gas * prices.gas_gwei * 1e-9 * prices.eth
    cost = one.core_seconds * prices.core_second + gas + one.seconds * prices.delay_second * count
    if not any(vars(prices).values()):
        cost = one.core_seconds
    return Candidate(
        one.plan, one.seconds, one.core_seconds, one.gas, one.bytes, cost, _binding(one, context)
    )


def _binding(one: Candidate, context: Context) -> str:
    if len(one.plan.levels) > MAX_DEPTH:
        return "depth"
    if context.deadline_s is not None and one.seconds > context.deadline_s:
        return "deadline"
    if context.memory_bytes is not None and one.bytes > context.memory_bytes:
        return "memory"
    return ""
