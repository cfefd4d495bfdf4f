"""Completeness of a day."""

import pytest
from tests.product_world import DAY, SYMBOL, ask

from veritape.gateway.problems import RefusedError


def test_completeness_of_a_day_and_of_a_symbol() -> None:
    """GW-741: recorded, backfilled, residual in trades, shares, value; closed per line and for what was asked."""
    body, _ = ask("/v1/completeness", {"day": DAY})
    assert [(item["code"], item["closed"]) for item in body["items"]] == [(SYMBOL, True), ("000660", False)]
    assert not body["closed"]
    body, page = ask("/v1/completeness", {"day": DAY, "symbol": SYMBOL})
    assert body["items"][0]["recorded"] == {"trades": 4, "shares": "12", "value": "1000"}
    assert (body["closed"], page.etag) == (True, "")
    for values in ({"day": "20131008"}, {"day": DAY, "symbol": "X"}):
        with pytest.raises(RefusedError):
            ask("/v1/completeness", values)
