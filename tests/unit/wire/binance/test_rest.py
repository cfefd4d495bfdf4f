"""Paths, weights and limits."""

from veritape.wire.binance import rest


def test_calls_and_what_they_cost() -> None:
    """OB-904, OB-908: each call has its path and weight; one minute pays for many."""
    assert {one.path: one.weight for one in rest.ENDPOINTS} == {
        "/api/v3/historicalTrades": 25, "/api/v3/aggTrades": 4, "/api/v3/klines": 2, "/api/v3/depth": 50,
    }  # fmt: skip
    assert all(one.weight < rest.WEIGHT_PER_MINUTE for one in rest.ENDPOINTS)
