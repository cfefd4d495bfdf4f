"""Prometheus's own check of the page: exactly the findings that the product states."""

import signal
import subprocess
import urllib.request
from importlib.resources import files
from pathlib import Path

from tests.ports import kept_port
from tests.scenario.recording_run import DAY, a_run
from tests.waiting import PATIENCE_S

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


def test_a_running_recorders_page_has_exactly_the_stated_findings(tmp_path: Path) -> None:
    """TL-060, TL-190, TL-210, TL-220: a live scrape: promtool finds what is stated; every family of the catalogue is there and adds up."""
    with a_run(tmp_path) as run, kept_port() as port:
        broker = run.broker("--speed", "60", "--fault", "drop=0.02")
        configuration = run.configuration.read_text()
        run.configuration.write_text(configuration.replace('listen = ""', f'listen = "127.0.0.1:{port}"'))
        recorder = run.recorder("--day", DAY)
        recorder.records_past(1)
        text = b""
        while not text or b"observer_gaps_detected_total 0.0\n" in text:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
                text = answer.read()
            recorder.runs_on_for(0.5)
        recorder.send(signal.SIGTERM)
        assert recorder.wait().status == 0
        broker.end()
    answer = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    findings = {
        (message, name)
        for name, _, message in (
            line.partition(" ")
            for line in answer.stdout.decode().splitlines() + answer.stderr.decode().splitlines()
        )
    }
    shown = {line.split()[2].decode() for line in text.splitlines() if line.startswith(b"# TYPE ")}
    assert findings == {(message, name) for message, name in stated() if name in shown}
    observer = {metric.name for metric in catalogue()["observer"]}
    assert observer <= shown
    values = {
        line.rsplit(b" ", 1)[0].decode(): float(line.rsplit(b" ", 1)[1])
        for line in text.splitlines()
        if not line.startswith(b"#")
    }
    closed = sum(values[f"observer_gaps_{one}_total"] for one in ("low", "medium", "high"))
    below = sum(values[f'observer_open_gaps{{severity="{one}"}}'] for one in ("low", "medium"))
    assert values["observer_gaps_detected_total"] == closed + below > 0
