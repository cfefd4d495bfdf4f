"""Candidates and hysteresis by given costs."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.costs import CONFIG, CONTEXT, COSTS

from veritape.executor.aggregation.costs import Figure, Line
from veritape.executor.aggregation.measured import Candidate, History, candidates, choose, needed, settled
from veritape.executor.aggregation.plans import AggregationConfig, Context, Label, Prices


def found(
    count: int, context: Context = CONTEXT, config: AggregationConfig = CONFIG
) -> dict[Label, Candidate]:
    return {one.plan.label: one for one in candidates(count, config, COSTS, context)}


@pytest.mark.parametrize(
    ("count", "label", "seconds"),
    [
        (5, Label.SINGLE, 15.55),
        (5, Label.BATCH, 15.47),
        (5, Label.NONE, 35.5),
        (50, Label.BATCH, 16.1),
        (50, Label.TWO_LEVEL, 50.5),
        (1000, Label.BATCH, 29.4),
        (1000, Label.THREE_LEVEL, 785.0),
    ],
)
def test_the_latencies_of_the_worked_example(count: int, label: Label, seconds: float) -> None:
    """EX-449: tree, batch and none at 5, 50 and 1,000 claims with one worker."""
    assert found(count)[label].seconds == pytest.approx(seconds)


def test_the_gas_of_the_worked_example() -> None:
    """EX-449: 82.50 USD of gas one by one against 16.50 for one settlement; two threads double the core-seconds."""
    gas = {label: one.gas * 1e-9 * 3000 for label, one in found(5).items()}
    assert gas == pytest.approx({Label.NONE: 82.5, Label.BATCH: 16.5, Label.SINGLE: 16.5})
    batch = found(5)[Label.BATCH]
    assert batch.core_seconds == pytest.approx(2 * batch.seconds)
    assert batch.cost == pytest.approx(batch.core_seconds * 0.05 / 3600 + 16.5)


def test_without_prices_core_seconds_decide() -> None:
    """EX-447: no price configured: the least work wins; proofs of others have no batch."""
    config = AggregationConfig()
    chosen = choose(candidates(5, config, COSTS, CONTEXT))
    assert chosen is not None
    assert chosen.cost == chosen.core_seconds
    assert Label.BATCH not in found(5, Context(inputs_at_hand=False))
    assert found(1, Context(inputs_at_hand=False)).keys() == {Label.NONE}


def test_waiting_claims_have_a_price() -> None:
    """EX-447: the price of delay counts for every claim that waits."""
    slow = replace(CONFIG, prices=Prices(delay_second=1.0))
    assert found(50, config=slow)[Label.BATCH].cost == pytest.approx(16.1 * 50)


def test_a_batch_costs_by_its_rows() -> None:
    """EX-446, EX-447: t_batch is c0 + c1 rows; programs of more rows a claim make the same number of claims dearer."""
    long_programs = {**COSTS, Figure.BATCH_ROWS: Line(0.0, 1000.0)}
    assert found(50)[Label.BATCH].seconds == pytest.approx(0.4 + 0.004 * 50 + 6 + 2.5 + 7)
    (batch,) = [
        one for one in candidates(50, CONFIG, long_programs, CONTEXT) if one.plan.label is Label.BATCH
    ]
    assert batch.seconds == pytest.approx(0.4 + 0.004 * 50_000 + 6 + 2.5 + 7)


def test_what_binds_is_named() -> None:
    """EX-447: deadline, memory, depth."""
    costs = {
        **COSTS,
        Figure.LEAF_BYTES: Line(10.0),
        Figure.NODE_BYTES: Line(10.0),
        Figure.BATCH_BYTES: Line(0.0, 1.0),
    }
    bound = candidates(50, CONFIG, costs, Context(deadline_s=20.0))
    assert [one.binding for one in bound] == ["deadline", "", "deadline"]
    bound = candidates(50, CONFIG, costs, Context(memory_bytes=40))
    assert [one.binding for one in bound] == ["", "memory", ""]
    bound = candidates(100, replace(CONFIG, arity=2), costs, Context())
    assert bound[-1].binding == "depth"
    told = {Figure.LEAF_PROOF_BYTES, *(figure for figure in Figure if figure.startswith("verify_ms"))}
    assert set(needed(Context(memory_bytes=1))) == set(Figure) - told
    assert Figure.BATCH_S not in needed(Context(inputs_at_hand=False))


def test_workers_share_the_nodes() -> None:
    """EX-447: ceil(nodes / workers) rounds a level."""
    four = found(50, Context(workers=4))
    assert four[Label.TWO_LEVEL].seconds == pytest.approx(13 * 0.1 + 3 * 6 + 2.5 + 7)
    assert four[Label.NONE].seconds == pytest.approx(13 * 7.1)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 9_000), st.integers(1, 900), st.integers(1, 8), st.booleans())
def test_more_claims_never_cost_less(count: int, more: int, workers: int, here: bool) -> None:
    """EX-448: without hysteresis and for fixed costs, a larger number never has a smaller total cost."""
    context = Context(inputs_at_hand=here, workers=workers)
    few, many = (choose(candidates(n, CONFIG, COSTS, context)) for n in (count, count + more))
    assert few is not None
    assert many is not None
    assert few.cost <= many.cost * (1 + 1e-12)


def test_a_change_of_mind_takes_three_decisions() -> None:
    """EX-448: the new plan must be 10 % cheaper three times in a row; an infeasible one is left at once."""
    cheap, dear = found(5)[Label.BATCH], found(5)[Label.NONE]
    both, history = (cheap, dear), History(Label.NONE)
    labels = []
    for _ in range(3):
        chosen, history = settled(both, cheap, history)
        labels.append(chosen.plan.label)
    assert labels == [Label.NONE, Label.NONE, Label.BATCH]
    close = replace(cheap, cost=dear.cost * 0.95)
    assert settled((close, dear), close, History(Label.NONE, Label.BATCH, 2)) == (dear, History(Label.NONE))
    gone = replace(dear, binding="deadline")
    assert settled((cheap, gone), cheap, History(Label.NONE))[0] is cheap
    assert settled(both, cheap, None) == (cheap, History(Label.BATCH))


def test_ties_go_to_the_faster_then_the_flatter() -> None:
    """EX-448: equal costs are decided by latency, then by fewer levels."""
    batch, tree = found(50)[Label.BATCH], found(50)[Label.TWO_LEVEL]
    same = replace(tree, cost=batch.cost)
    assert choose((same, batch)) is batch
    assert choose((replace(same, seconds=batch.seconds), batch)) is batch
    assert choose((replace(batch, binding="memory"),)) is None
