"""Decisions beside peers: small runs of every row."""

from tests.bench_rows import small_rows

from veritape.apps.bench.gateway_decisions import available, best


def test_every_row_is_measured_beside_its_peer() -> None:
    """GW-603: names, units and peers of one run; never a timed pass or fail."""
    rows = small_rows("gateway_decisions", "decisions", DECISIONS=400, REDIS_DECISIONS=400, LEASED=400)
    assert set(rows) == {
        "decisions_memory_per_second", "decisions_redis_per_second", "decision_p99", "redis_bytes_per_subject",
        "lease_decisions_per_second",
    }  # fmt: skip
    assert all(row["value"] > 0 for row in rows.values())
    for name in ("decisions_memory_per_second", "decisions_redis_per_second", "redis_bytes_per_subject"):
        assert rows[name]["peer"]
        assert rows[name]["peer_value"] > 0


def test_a_peer_that_is_not_installed_is_left_out() -> None:
    """A benchmark without its extra measures ours alone."""

    def missing() -> object:
        raise ModuleNotFoundError("planted")

    assert available({"a": missing, "b": lambda: 1}) == {"b": 1}
    assert best({}) == ("", [])
    assert best({"a": [1.0, 9.0, 2.0], "b": [3.0]}) == ("b", [3.0])
    assert best({"a": [1.0, 9.0, 2.0], "b": [3.0]}, most=False)[0] == "a"
