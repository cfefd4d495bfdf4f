"""Decisions by thresholds and by given costs."""

import json
from dataclasses import replace

import pytest
from tests.costs import CONFIG, CONTEXT, COSTS

from veritape.executor.aggregation.costs import Costs, Figure
from veritape.executor.aggregation.decider import AggregationDecider, DecisionReason
from veritape.executor.aggregation.measured import History
from veritape.executor.aggregation.plans import AggregationConfig, Context, Label, Mode, Plan
from veritape.kernel.errors import CheckFailedError

COUNTS = (0, 1, 5, 6, 9, 10, 11, 19, 20, 50, 51, 100, 101, 500, 501, 1000, 1001)
MEASURED = replace(CONFIG, mode=Mode.MEASURED)


@pytest.mark.parametrize("min_proofs", [6, 10, 20])
def test_thresholds_name_the_label(min_proofs: int) -> None:
    """EX-442, EX-816: none below min_proofs, then single to 50, two_level to 500, three_level above; nothing for 0."""
    decider = AggregationDecider(AggregationConfig(min_proofs=min_proofs))
    for count in COUNTS:
        expected = Label.THREE_LEVEL if count > 500 else Label.TWO_LEVEL if count > 50 else Label.SINGLE
        if count < min_proofs:
            expected = Label.NONE
        decision = decider.decide(count, Context())
        assert (decision.label, decision.mode) == (expected, Mode.THRESHOLDS)
        assert decision.plan == Plan(Label.NONE if expected is Label.NONE else Label.BATCH)
    assert decider.decide(0, Context()).estimate is None


def test_proofs_of_others_become_a_tree() -> None:
    """EX-443: without the inputs there is no batch; the plan of 25 ends in one root, whatever the label."""
    decision = AggregationDecider(AggregationConfig()).decide(25, Context(inputs_at_hand=False))
    assert decision.plan == Plan(Label.SINGLE, (3, 1))
    assert decision.label is Label.SINGLE


def test_the_measured_mode_chooses_the_batch_of_the_example() -> None:
    """EX-449: batch where the inputs are here, a tree for proofs of others; the sentence has the figures and the runner-up."""
    here = AggregationDecider(MEASURED, COSTS).decide(50, CONTEXT)
    assert (here.label, here.plan, here.mode) == (Label.BATCH, Plan(Label.BATCH), Mode.MEASURED)
    assert here.reason.startswith(
        "50 claims: batch 16.1 s, 32.2 core-s, cost 16.5; next two_level [5, 1] 50.5 s"
    )
    others = AggregationDecider(MEASURED, COSTS).decide(50, replace(CONTEXT, inputs_at_hand=False))
    assert others.plan == Plan(Label.TWO_LEVEL, (5, 1))


def test_a_missing_figure_is_named_and_thresholds_answer() -> None:
    """EX-446: without enough samples of a needed figure the thresholds decide, and the sentence says what is missing."""
    costs: Costs = {figure: line for figure, line in COSTS.items() if figure is not Figure.NODE_S}
    for known, missing in (
        (costs, "t_node"),
        (None, "t_leaf, t_node, t_bridge, t_last, gas_last, gas_single, batch_rows, t_batch"),
    ):
        decision = AggregationDecider(MEASURED, known).decide(25, CONTEXT)
        assert decision.mode is Mode.THRESHOLDS
        assert decision.reason == f"no measured {missing}: 25 claims are at most 50: single, by thresholds"


def test_nothing_feasible_names_what_binds() -> None:
    """EX-448: no_feasible_plan with the constraint of each plan."""
    with pytest.raises(CheckFailedError, match="none by deadline, batch by deadline") as caught:
        AggregationDecider(MEASURED, COSTS).decide(5, replace(CONTEXT, deadline_s=1.0))
    assert caught.value.reason is DecisionReason.NO_FEASIBLE_PLAN


def test_the_previous_choice_is_kept_until_it_was_dear_three_times() -> None:
    """EX-448: hysteresis goes from decision to decision as a value."""
    history: History | None = History(Label.NONE)
    labels, reasons = [], []
    for _ in range(3):
        decision = AggregationDecider(MEASURED, COSTS, history).decide(50, CONTEXT)
        history = decision.history
        labels.append(decision.label)
        reasons.append(decision.reason)
    assert labels == [Label.NONE, Label.NONE, Label.BATCH]
    assert "kept" in reasons[0]
    assert "kept" not in reasons[2]


def test_a_logged_decision_replays() -> None:
    """EX-450, EX-817: equal inputs give the equal decision, and its log is plain JSON."""
    decisions = [AggregationDecider(MEASURED, COSTS).decide(200, CONTEXT) for _ in range(2)]
    assert decisions[0] == decisions[1]
    logged = json.loads(json.dumps(decisions[0].logged()))
    assert (logged["count"], logged["label"], len(logged["candidates"])) == (200, "batch", 3)
    assert AggregationDecider(AggregationConfig()).decide(0, CONTEXT).logged()["candidates"] == []


def test_the_decider_is_a_function_of_its_arguments() -> None:
    """EX-441: label, plan, estimate and reason; a decision is a value."""
    decision = AggregationDecider(AggregationConfig()).decide(10, Context())
    assert decision == AggregationDecider(AggregationConfig()).decide(10, Context())
    assert decision.estimate is not None
    assert decision.estimate.shown()["estimate_tps"] == 408.2
