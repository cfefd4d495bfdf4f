"""The command: a document a suite, or lines."""

import json

import pytest
from click.testing import CliRunner

from veritape.apps.bench import command
from veritape.apps.bench.results import QUICK, Row, Size
from veritape.kernel.errors import MisuseError


def test_a_suite_prints_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the document is on the output; --quick chooses the small size."""
    sizes: list[Size] = []

    def planted(size: Size) -> list[Row]:
        sizes.append(size)
        return [Row("x", [3.0])]

    monkeypatch.setattr(command, "SUITES", dict.fromkeys(command.SUITES, planted))
    result = CliRunner().invoke(command.bench, ["observer", "--quick", "--json"])
    assert [row["value"] for row in json.loads(result.output)["rows"]] == [3]
    assert sizes == [QUICK]
    assert CliRunner().invoke(command.bench, []).output.count("  x ") == len(command.SUITES)


def test_a_scenario_is_a_run_of_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-681, EX-684: one document or lines; exit 1 when it failed; it belongs to the suite executor."""
    document = {
        "ok": False,
        "reason": "why",
        "scenario": "stress",
        "label": "executed",
        "rows": [],
        "requests": 0,
        "claims_listed": 0,
        "seconds": 1.0,
    }
    monkeypatch.setattr(command, "run_scenario", lambda name: {**document, "scenario": name})
    done = CliRunner().invoke(
        command.bench, ["executor", "--scenario", "stress", "--json"], standalone_mode=False
    )
    assert (done.return_value, json.loads(done.output)["scenario"]) == (1, "stress")
    assert "FAIL: why" in CliRunner().invoke(command.bench, ["executor", "--scenario", "stress"]).output
    with pytest.raises(MisuseError, match="suite executor"):
        CliRunner().invoke(
            command.bench, ["gateway", "--scenario", "stress"], standalone_mode=False, catch_exceptions=False
        )
