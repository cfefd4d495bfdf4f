"""What an aggregation is, as data: labels, plans, configuration, the facts of one decision (EX-442, 443).

A plan always ends in one root. *Batch* is one proof over executions whose inputs are at hand; a *tree* has levels of nodes over
proofs, the last level one node.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from veritape.kernel.errors import MisuseError

MAX_DEPTH = 4
"""Levels of the deepest tree: ten thousand proofs at arity 10."""


class Label(StrEnum):
    """Name of a decision; the source's four, and ``batch``."""

    NONE = "none"
    """Every proof stands alone."""
    SINGLE = "single"
    """One level of nodes by the thresholds."""
    TWO_LEVEL = "two_level"
    """Two levels by the thresholds."""
    THREE_LEVEL = "three_level"
    """Three levels and more."""
    BATCH = "batch"
    """One proof over many executions."""


class Mode(StrEnum):
    """How the decider decides."""

    THRESHOLDS = "thresholds"
    """By the number of claims alone."""
    MEASURED = "measured"
    """By costs measured on this machine."""


class ConfigReason(StrEnum):
    """Why a configuration of the decider is refused."""

    THRESHOLDS_NOT_INCREASING = "thresholds_not_increasing"
    """min_proofs, single_max and two_level_max do not rise strictly, or min_proofs is 0."""
    BAD_ARITY = "bad_arity"
    """Not 2 to 10 children a node."""
    NEGATIVE_PRICE = "negative_price"
    """A price below 0."""


@dataclass(frozen=True)
class Factors:
    """The source's factors of an estimate: how many proofs become one at each depth."""

    single: int = 10
    """One level."""
    two_level: int = 100
    """Product over two levels."""
    three_level: int = 1000
    """Product over three levels."""


@dataclass(frozen=True)
class Prices:
    """What the measured mode weighs costs with; inputs of a decision, never a measured figure."""

    core_second: float = 0.0
    """Money for a second of one core."""
    gas_gwei: float = 0.0
    """Price of a unit of gas."""
    eth: float = 0.0
    """Money for one ether."""
    delay_second: float = 0.0
    """Money for a second that one claim waits."""


@dataclass(frozen=True)
class AggregationConfig:
    """Settings of the decider, checked when made.

    Raises:
        MisuseError: a ``ConfigReason``; the message names the key.
    """

    mode: Mode = Mode.THRESHOLDS
    """How to decide."""
    min_proofs: int = 6
    """Fewer claims than this stay alone."""
    single_max: int = 50
    """Most claims of one level."""
    two_level_max: int = 500
    """Most claims of two levels."""
    arity: int = 10
    """Children of a node."""
    factors: Factors = field(default_factory=Factors)
    """Of the estimates."""
    prices: Prices = field(default_factory=Prices)
    """Of the measured mode."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_proofs < self.single_max < self.two_level_max:
            raise _refusal(
                ConfigReason.THRESHOLDS_NOT_INCREASING,
                "aggregation.min_proofs, .single_max and .two_level_max must rise strictly from 1",
            )
        if not 2 <= self.arity <= 10:  # noqa: PLR2004 - the range stands in the message
            raise _refusal(ConfigReason.BAD_ARITY, "aggregation.arity must be 2 to 10")
        for name, price in vars(self.prices).items():
            if not price >= 0:
                raise _refusal(ConfigReason.NEGATIVE_PRICE, f"prices.{name} must be 0 or more")


@dataclass(frozen=True)
class Plan:
    """What is executed."""

    label: Label
    """Batch, none, or the depth of the tree."""
    levels: tuple[int, ...] = ()
    """Nodes of each level of a tree, from the leaves up; empty for none and batch."""


@dataclass(frozen=True)
class Context:
    """Facts of one decision beside the number of claims."""

    inputs_at_hand: bool = True
    """This operator holds the inputs, so one batch proof is possible."""
    workers: int = 1
    """Jobs that run side by side."""
    threads: int = 1
    """Threads of a worker."""
    deadline_s: float | None = None
    """Seconds until it must be done; None: no hurry."""
    memory_bytes: int | None = None
    """Memory that jobs may take together; None: no bound."""


def tree_levels(count: int, arity: int) -> tuple[int, ...]:
    """Return the nodes of each level over so many proofs: 200 at arity 10 gives 20, 2, 1; a single proof needs none."""
    levels: list[int] = []
    while count > 1:
        count = -(-count // arity)
        levels.append(count)
    return tuple(levels)


def tree_label(levels: tuple[int, ...]) -> Label:
    """Return the label of a tree's depth; deeper counts as three levels."""
    labels = (Label.NONE, Label.SINGLE, Label.TWO_LEVEL, Label.THREE_LEVEL)
    return labels[min(len(levels), len(labels) - 1)]


def _refusal(reason: ConfigReason, text: str) -> MisuseError:
    return MisuseError(f"{reason}: {text}", reason)
