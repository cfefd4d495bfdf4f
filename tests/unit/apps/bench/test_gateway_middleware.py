"""What the middleware adds beside peers: small runs of every row."""

from tests.bench_rows import small_rows


def test_every_row_is_measured_beside_its_peer() -> None:
    """GW-603, GW-966: names and peers of one run; a Redis that hangs costs ours one deadline and no 5xx, peers more."""
    rows = small_rows("gateway_middleware", "middleware", TURNS=2, HUNG_REQUESTS=1)
    assert set(rows) == {"middleware_added_memory", "middleware_added_redis", "redis_hung_added_max"}
    assert {row["peer"] for row in rows.values()} <= {"slowapi", "fastapi-limiter"}
    assert rows["redis_hung_added_max"]["peer_value"] > rows["redis_hung_added_max"]["value"]
