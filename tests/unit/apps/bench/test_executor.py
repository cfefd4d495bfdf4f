"""Suite ``executor``: its row is measured."""

from veritape.apps.bench.executor import executor
from veritape.apps.bench.results import Size


def test_its_row_is_measured_beside_its_peer() -> None:
    """A figure and a peer of the same run, never a timed pass or fail."""
    (row,) = executor(Size(1))
    assert row.name == "instructions_per_second"
    assert min(row.values + row.peer_values) > 0
