"""Plans and their configuration."""

import pytest

from veritape.executor.aggregation.plans import (
    AggregationConfig,
    ConfigReason,
    Label,
    Prices,
    tree_label,
    tree_levels,
)
from veritape.kernel.errors import MisuseError


@pytest.mark.parametrize(
    ("count", "levels"),
    [
        (1, ()),
        (2, (1,)),
        (10, (1,)),
        (25, (3, 1)),
        (101, (11, 2, 1)),
        (200, (20, 2, 1)),
        (1000, (100, 10, 1)),
        (1001, (101, 11, 2, 1)),
    ],
)
def test_a_tree_ends_in_one_root(count: int, levels: tuple[int, ...]) -> None:
    """EX-443: levels of nodes of arity 10; 25 gives 3, 1 and not three proofs."""
    assert tree_levels(count, 10) == levels


def test_depth_names_a_tree() -> None:
    """EX-442: deeper counts as three levels."""
    assert [tree_label(tree_levels(count, 10)) for count in (1, 10, 25, 200, 5000)] == [
        Label.NONE, Label.SINGLE, Label.TWO_LEVEL, Label.THREE_LEVEL, Label.THREE_LEVEL,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason", "key"),
    [
        ({"min_proofs": 0}, ConfigReason.THRESHOLDS_NOT_INCREASING, "min_proofs"),
        ({"min_proofs": 50}, ConfigReason.THRESHOLDS_NOT_INCREASING, "single_max"),
        ({"two_level_max": 50}, ConfigReason.THRESHOLDS_NOT_INCREASING, "two_level_max"),
        ({"arity": 1}, ConfigReason.BAD_ARITY, "arity"),
        ({"arity": 11}, ConfigReason.BAD_ARITY, "arity"),
        ({"prices": Prices(eth=-1.0)}, ConfigReason.NEGATIVE_PRICE, "prices.eth"),
        ({"prices": Prices(gas_gwei=float("nan"))}, ConfigReason.NEGATIVE_PRICE, "prices.gas_gwei"),
    ],
)
def test_a_bad_configuration_names_the_key(
    changes: dict[str, object], reason: ConfigReason, key: str
) -> None:
    """EX-723: thresholds that do not rise, min_proofs 0, arity 1 or 11, a negative price: exit 2."""
    with pytest.raises(MisuseError, match=key) as caught:
        AggregationConfig(**changes)  # type: ignore[arg-type]  # each is of its field's type
    assert caught.value.reason is reason
    assert caught.value.exit_code == 2
