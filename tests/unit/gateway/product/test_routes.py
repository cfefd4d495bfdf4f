"""The table of routes."""

import pytest
from tests.product_world import DAY, SOURCES, ask

from veritape.gateway.problems import RefusedError
from veritape.gateway.product.routes import ROUTES, installed


def test_an_absent_source_leaves_its_routes_out() -> None:
    """GW-741: only what is there is served."""
    assert set(installed(SOURCES)) == {route.path for route in ROUTES}
    assert set(installed(SOURCES._replace(tape=None))) == {"/v1/receipts", "/v1/receipts/{rest...}"}
    with pytest.raises(RefusedError):
        ask("/v1/completeness", {"day": DAY}, SOURCES._replace(tape=None))
