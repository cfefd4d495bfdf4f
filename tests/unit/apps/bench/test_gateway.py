"""Suite ``gateway``: its row is measured."""

from veritape.apps.bench.gateway import gateway
from veritape.apps.bench.results import Size


def test_its_row_is_measured_beside_its_peer() -> None:
    """A figure and a peer of the same run, never a timed pass or fail."""
    (row,) = gateway(Size(1))
    assert row.name == "quota_decisions_per_second"
    assert min(row.values + row.peer_values) > 0
