"""Suite ``telemetry``: its row is measured."""

from veritape.apps.bench.results import Size
from veritape.apps.bench.telemetry import telemetry


def test_its_row_is_measured_beside_its_peer() -> None:
    """A figure and a peer of the same run, never a timed pass or fail."""
    (row,) = telemetry(Size(1))
    assert row.name == "bound_increments_per_second"
    assert min(row.values + row.peer_values) > 0
