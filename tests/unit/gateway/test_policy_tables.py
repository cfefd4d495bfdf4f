"""Typed reading of TOML tables."""

from decimal import Decimal

from veritape.gateway.policy import PolicyProblem, PolicyReason
from veritape.gateway.policy_tables import Table


def test_wrong_values_fall_back_and_are_noted() -> None:
    """GW-103: reading goes on after an error, so that all are told."""
    problems: list[PolicyProblem] = []
    table = Table({"a": "x", "b": [], "c": Decimal("NaN"), "d": True, "e": {"f": 1}, "g": ""}, (), problems)
    assert table.integer("a", 1, 9, 5) == 5
    assert table.integer("missing", 1, 9) == 1
    assert table.texts("b", required=True) == ()
    assert table.decimal("c", "0", "1") is None
    assert table.decimal("d", "0", "1") is None
    assert table.units_mu("d", "1") == 0
    assert table.text("g", "default") == "default"
    assert [name for name, _ in table.tables("e")] == []
    table.finish()
    assert [(problem.path, problem.reason) for problem in problems] == [
        (("a",), PolicyReason.WRONG_TYPE),
        (("missing",), PolicyReason.MISSING_KEY),
        (("b",), PolicyReason.OUT_OF_RANGE),
        (("c",), PolicyReason.WRONG_TYPE),
        (("d",), PolicyReason.WRONG_TYPE),
        (("d",), PolicyReason.WRONG_TYPE),
        (("g",), PolicyReason.WRONG_TYPE),
        (("e", "f"), PolicyReason.WRONG_TYPE),
    ]
