"""The source documents' estimates, for comparison only: every key begins with ``estimate`` (EX-444, 445).

They say what the source would have said. ``FAULTS`` is printed with them.
"""

import math
from dataclasses import asdict, dataclass
from typing import Final

from veritape.executor.aggregation.plans import Factors, Label

VERIFY_MS: Final = 24.5
"""The source's time of one verification."""

SIZE_OVERHEAD: Final = 1.2
"""The source's growth of an aggregated proof."""

CALLED: Final = "estimate, from the source documents"
"""What these figures are called wherever they are shown."""

FAULTS: Final = (
    "estimate_tps is the rate of one 24.5 ms check and no throughput: proving, latency, calldata and workers are left out",
    "300,000 gas is the price of a Groth16 check and not of a 215 KB STARK, whose calldata alone is about 3.4 million",
    "the curve saw-tooths: 408 at 10 claims, 224 at 11",
    "two tables of the source disagree: 90.0 against 88 % at 10 claims",
)
"""What is known to be wrong with them."""


@dataclass(frozen=True)
class Estimate:
    """Figures by the source's formulas; percent and rates as the source printed them."""

    estimate_proofs: int
    """Proofs that would be left."""
    estimate_tps: float
    """1,000 n over the time of checking what is left."""
    estimate_gain: float
    """n over what is left."""
    estimate_gas_saved_percent: float
    """Share of checks saved."""
    estimate_size_saved_percent: float
    """Share of bytes saved, with the overhead."""

    def shown(self) -> dict[str, float]:
        """Return the figures as the tables print them."""
        digits = {"estimate_tps": 1}
        return {name: round(value, digits.get(name, 2)) for name, value in asdict(self).items()}


def estimate(count: int, label: Label, factors: Factors) -> Estimate | None:
    """Return the source's figures for a number of claims under a label; nothing for no claims."""
    if count == 0:
        return None
    factor = {
        Label.SINGLE: factors.single,
        Label.TWO_LEVEL: factors.two_level,
        Label.THREE_LEVEL: factors.three_level,
    }.get(label, 1)
    left = math.ceil(count / factor)
    size_saved = 0.0 if label is Label.NONE else (1 - SIZE_OVERHEAD * left / count) * 100
    return Estimate(
        left, 1000 * count / (VERIFY_MS * left), count / left, (1 - left / count) * 100, size_saved
    )
