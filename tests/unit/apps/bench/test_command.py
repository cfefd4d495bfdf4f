"""The command: a document a suite, or lines."""

import json

import pytest
from click.testing import CliRunner

from veritape.apps.bench import command
from veritape.apps.bench.results import QUICK, Row, Size


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
