"""Which aggregation a number of claims deserves, and why (EX-441 to 450). Pure: equal arguments give equal decisions."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from veritape.executor.aggregation import measured
from veritape.executor.aggregation.costs import Costs
from veritape.executor.aggregation.estimates import Estimate, estimate
from veritape.executor.aggregation.measured import Candidate, History
from veritape.executor.aggregation.plans import (
    AggregationConfig,
    Context,
    Label,
    Mode,
    Plan,
    tree_levels,
)
from veritape.kernel.errors import CheckFailedError


class DecisionReason(StrEnum):
    """Why there is no decision."""

    NO_FEASIBLE_PLAN = "no_feasible_plan"
    """Deadline, memory or depth forbids every plan; the message names which."""


@dataclass(frozen=True)
class Decision:
    """What to do with so many claims."""

    count: int
    """Claims."""
    label: Label
    """Name of the choice."""
    plan: Plan
    """What is executed."""
    estimate: Estimate | None
    """The source's figures, for comparison only; None for no claims."""
    reason: str
    """One sentence with the figures that decided, and the runner-up."""
    mode: Mode
    """How it was decided; ``thresholds`` also where a measured figure was missing."""
    candidates: tuple[Candidate, ...] = ()
    """What was weighed in the measured mode."""
    history: History | None = None
    """To be handed to the next decision's decider."""

    def logged(self) -> dict[str, Any]:
        """Return the decision as plain values, for the log."""
        return {"count": self.count, "label": str(self.label), "levels": list(self.plan.levels),
                "mode": str(self.mode), "why": self.reason,
                "candidates": [asdict(one) for one in self.candidates]}  # fmt: skip


@dataclass(frozen=True)
class AggregationDecider:
    """Decides by thresholds, or by the costs that were measured here."""

    config: AggregationConfig
    """Thresholds, arity, prices."""
    costs: Costs | None = None
    """Figures that are known; the measured mode needs them."""
    history: History | None = None
    """What the decision before remembered."""

    def decide(self, count: int, context: Context) -> Decision:
        """Return the decision for a number of claims.

        Raises:
            CheckFailedError: ``no_feasible_plan``, with the constraint that binds.
        """
        if count == 0:
            return Decision(
                0, Label.NONE, Plan(Label.NONE), None, "0 claims: nothing to do", self.config.mode
            )
        if self.config.mode is Mode.THRESHOLDS:
            return self._by_thresholds(count, context, "")
        known = self.costs or {}
        missing = [str(figure) for figure in measured.needed(context) if figure not in known]
        if missing:
            return self._by_thresholds(count, context, f"no measured {', '.join(missing)}: ")
        return self._by_costs(count, context, known)

    def _by_thresholds(self, count: int, context: Context, why: str) -> Decision:
        config = self.config
        rules = (
            (count < config.min_proofs, Label.NONE, f"fewer than {config.min_proofs}"),
            (count <= config.single_max, Label.SINGLE, f"at most {config.single_max}"),
            (count <= config.two_level_max, Label.TWO_LEVEL, f"at most {config.two_level_max}"),
            (True, Label.THREE_LEVEL, f"more than {config.two_level_max}"),
        )
        label, rule = next((label, rule) for holds, label, rule in rules if holds)
        plan = self._plan(count, label, context)
        text = f"{why}{count} claims are {rule}: {label}, by thresholds"
        figures = estimate(count, label, config.factors)
        return Decision(count, label, plan, figures, text, Mode.THRESHOLDS)

    def _plan(self, count: int, label: Label, context: Context) -> Plan:
        if label is Label.NONE:
            return Plan(Label.NONE)
        if context.inputs_at_hand:
            return Plan(Label.BATCH)
        return Plan(label, tree_levels(count, self.config.arity))

    def _by_costs(self, count: int, context: Context, costs: Costs) -> Decision:
        found = measured.candidates(count, self.config, costs, context)
        best = measured.choose(found)
        if best is None:
            bound = ", ".join(f"{one.plan.label} by {one.binding}" for one in found)
            text = f"no_feasible_plan: {count} claims: {bound}: allow more of it, or fewer claims"
            raise CheckFailedError(text, DecisionReason.NO_FEASIBLE_PLAN)
        chosen, history = measured.settled(found, best, self.history)
        label = chosen.plan.label
        figures = estimate(count, label, self.config.factors)
        reason = _sentence(count, chosen, best, found)
        return Decision(count, label, chosen.plan, figures, reason, Mode.MEASURED, found, history)


def _sentence(count: int, chosen: Candidate, best: Candidate, found: tuple[Candidate, ...]) -> str:
    others = [one for one in found if one is not chosen and not one.binding]
    rival = measured.choose(others)
    behind = f"; next {_figures(rival)}" if rival else "; nothing else is feasible"
    kept = "" if chosen is best else " (kept: the cheaper one has not been cheaper long enough)"
    return f"{count} claims: {_figures(chosen)}{behind}{kept}"


def _figures(one: Candidate) -> str:
    levels = f" {list(one.plan.levels)}" if one.plan.levels else ""
    return f"{one.plan.label}{levels} {one.seconds:.1f} s, {one.core_seconds:.1f} core-s, cost {one.cost:.4g}"
