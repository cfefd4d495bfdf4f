"""Costs in units, and what routes ask for."""

import pytest
from tests import limited

from veritape.gateway.policy import Lost
from veritape.gateway.prices import Price, route_price, units_of
from veritape.gateway.quota import MICROSECONDS
from veritape.kernel.errors import MisuseError


@pytest.mark.parametrize(
    ("units", "mu"), [(2, 2_000), ("0.5", 500), ("1.125", 1_125), (0, 0), ("1e1", 10_000)]
)
def test_units_become_mu(units: str | int, mu: int) -> None:
    """GW-602, GW-001: at most three decimal places."""
    assert units_of(units) == mu


@pytest.mark.parametrize("units", ["0.0001", "-1", "many", "", "NaN", "Infinity", -7])
def test_what_is_no_cost_is_refused(units: str | int) -> None:
    """GW-602: with the text in the message."""
    with pytest.raises(MisuseError, match="three decimal places"):
        units_of(units)


def test_a_route_asks_for_what_the_policy_says() -> None:
    """GW-601: cost, scope, refund, timeout and what holds while the store is lost."""
    text = limited.POLICY.replace(
        'cost = "5"', 'cost = "5", refund = "none", timeout_s = 9, lost = "closed", mode = "call"'
    )
    (route,) = (route for route in limited.policy(text).routes if route.name == "dear")
    found, expected = (
        route_price(route),
        Price("dear", 5_000, None, True, False, 9 * MICROSECONDS, Lost.CLOSED, leased=False),
    )
    assert [getattr(found, name) for name in Price.__slots__] == [
        getattr(expected, name) for name in Price.__slots__
    ]
