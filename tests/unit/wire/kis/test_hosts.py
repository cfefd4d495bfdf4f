"""Names and ports of the real broker."""

from veritape.wire.kis.hosts import PAPER, REAL


def test_the_services_of_both_environments() -> None:
    """KIS-010, KIS-011: REST and WebSocket names and ports; paper REST is 29443."""
    assert REAL == (("openapi.koreainvestment.com", 9443), ("ops.koreainvestment.com", 21000))
    assert PAPER == (("openapivts.koreainvestment.com", 29443), ("ops.koreainvestment.com", 31000))
