"""The assumed costs of the specification's example (EX-449), for the tests of the decider."""

from veritape.executor.aggregation.costs import Costs, Figure, Line
from veritape.executor.aggregation.plans import AggregationConfig, Context, Prices

COSTS: Costs = {
    Figure.LEAF_S: Line(0.1),
    Figure.BATCH_ROWS: Line(0.0, 1.0),
    Figure.BATCH_S: Line(0.4, 0.004),
    Figure.NODE_S: Line(6.0),
    Figure.BRIDGE_S: Line(2.0, 0.01),
    Figure.LAST_S: Line(7.0),
    Figure.GAS_LAST: Line(5_500_000.0),
    Figure.GAS_SINGLE: Line(5_500_000.0),
}
CONFIG = AggregationConfig(prices=Prices(core_second=0.05 / 3600, gas_gwei=1.0, eth=3000.0))
CONTEXT = Context(threads=2)
