"""Prometheus's own check of the page: exactly the findings that the product states."""

import subprocess
from importlib.resources import files

from veritape.apps.metrics_reference import catalogue
from veritape.telemetry import Metric, MetricType, Registry
from veritape.telemetry.exposition import Exposition


def stated() -> set[tuple[str, str]]:
    lines = files("veritape.telemetry").joinpath("promtool_findings.txt").read_text().splitlines()
    return {
        (message, name)
        for message, _, names in (line.rpartition(": ") for line in lines)
        for name in names.split()
    }


def found(metrics: list[Metric]) -> set[tuple[str, str]]:
    registry = Registry(metrics)
    text = Exposition(registry, registry.metrics).text(registry.values)
    answer = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    lines = (answer.stderr + answer.stdout).decode().splitlines()
    assert answer.returncode == (3 if lines else 0), lines
    return {(message, name) for name, _, message in (line.partition(" ") for line in lines)}


def test_the_catalogue_has_exactly_the_stated_findings() -> None:
    """TL-060: a new finding fails, and so does one that is stated for a family that is present and has it no more."""
    metrics = [metric for part in catalogue().values() for metric in part]
    present = {metric.name for metric in metrics}
    assert found(metrics) == {(message, name) for message, name in stated() if name in present}


def test_the_stated_findings_are_promtools_own() -> None:
    """TL-060: each stated line is what promtool says of a family of that name, gauges and counters alike."""
    names = {name for _, name in stated()}
    gauges = {name for name in names if not name.endswith("_total") or name == "observer_track_b_slots_total"}
    metrics = [
        Metric(name, MetricType.GAUGE if name in gauges else MetricType.COUNTER, "Counts.", "it happened")
        for name in sorted(names)
    ]
    assert found(metrics) == stated()


def test_a_planted_finding_is_seen() -> None:
    """TL-060: a gauge that ends in _total is not among the stated ones."""
    planted = Metric("planted_total", MetricType.GAUGE, "Stands.", "it changed")
    assert found([planted]) - stated() == {
        ('non-counter metrics should not have "_total" suffix', "planted_total")
    }
