"""The benchmark's rows: shape and honesty, never a timed pass or fail."""

import json

import pytest
from click.testing import CliRunner

from veritape.apps import bench
from veritape.apps.bench import SUITES, Row, measure

MEMBERS = {
    "name", "value", "unit", "better", "runs", "spread", "target", "goal", "meets", "peer", "peer_value", "ratio", "published",
}  # fmt: skip


def test_a_row_is_the_median_of_its_runs_beside_its_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    units = iter([1, 10, 30, 20])
    monkeypatch.setattr(bench, "_rate", lambda work: float(work()))
    monkeypatch.setitem(
        SUITES, "planted", lambda: iter([Row("x", lambda: next(units), 25.0, "half", lambda: 10)])
    )
    document = measure("planted", 3)
    (row,) = document["rows"]
    assert set(row) == MEMBERS
    assert (row["value"], row["spread"], row["meets"], row["ratio"]) == (20.0, [10.0, 30.0], False, 2.0)
    assert set(document) == {"suite", "machine", "commit", "rows"}


@pytest.mark.parametrize("suite", ["gateway", "telemetry"])
def test_a_suite_prints_one_document(suite: str) -> None:
    result = CliRunner().invoke(bench.bench, [suite, "--quick", "--json"])
    assert json.loads(result.output)["suite"] == suite
    text = CliRunner().invoke(bench.bench, [suite, "--quick"])
    assert text.output.startswith(f"{suite}: ")
