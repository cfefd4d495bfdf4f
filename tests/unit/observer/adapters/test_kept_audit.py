"""The audit of a day whose journal the retention has removed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.backup_world import altered
from tests.recorded_day import record_day

from veritape.apps.audit import audit
from veritape.kernel.canonical import canonical_json
from veritape.kernel.errors import CheckFailedError, MisuseError
from veritape.observer.adapters.kept_audit import is_journal_gone, kept_audit
from veritape.observer.adapters.recording import Recording

DAY = "20131007"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a recorded day without its journal files; their folder stays."""
    record_day(tmp_path, DAY)
    for path in (tmp_path / "journal" / "KRX" / DAY).iterdir():
        path.unlink()
    return tmp_path


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(audit, ["--data", str(data), *words], standalone_mode=False)


def test_the_day_is_proven_again_and_what_is_not_is_said(data: Path) -> None:
    """OB-732, OB-680, OB-681: the figures of the statement, computed again from the segments; exit 0; the rest is named."""
    recording = Recording(data)
    assert is_journal_gone(recording, DAY)
    result = run(data, "--json")
    document, stated = (
        json.loads(result.stdout),
        json.loads((data / "export" / f"audit_{DAY}.json").read_bytes()),
    )
    assert (document, result.return_value) == (stated, 0)
    assert "proven again from 1 sealed segments; causes, watched spans" in result.stderr
    one = run(data, "--json", "--symbol", "990001")
    assert [line["code"] for line in json.loads(one.stdout)["lines"]] == ["990001"]


def test_an_altered_trade_is_found(data: Path) -> None:
    """OB-681, OB-763: a segment with another price, sealed anew by who altered it: the line is contradicted, exit 1."""
    recording = Recording(data)
    (seal,) = recording.segments.seals(DAY)
    content = altered(seal.path.read_bytes())
    for path in (seal.path, seal.path.with_suffix("").with_suffix(".seal.json")):
        path.chmod(0o644)
    seal.path.write_bytes(content)
    document = kept_audit(recording, DAY)
    assert "contradicted" in {line["status"] for line in document["lines"]}
    assert run(data).return_value == 1


def test_a_segment_that_is_gone_is_found(data: Path) -> None:
    """OB-991: what was recorded is nowhere any more: contradicted, and the file is named."""
    (seal,) = Recording(data).segments.seals(DAY)
    seal.path.unlink()
    result = run(data)
    assert result.return_value == 1
    assert "the file is missing" in result.stderr
    assert "contradicted" in result.stdout


def test_without_a_statement_there_is_nothing_to_prove(data: Path) -> None:
    """OB-971: one line with what to do; what needs the journal is refused by name; a damaged statement fails."""
    refused = run(data, "--reparse").exception
    assert isinstance(refused, MisuseError)
    assert f"audit_{DAY}.svg" in refused.message
    path = data / "export" / f"audit_{DAY}.json"
    path.write_bytes(canonical_json({"format": "veritape.audit.v1"}))
    assert isinstance(run(data).exception, CheckFailedError)
    path.unlink()
    missing = run(data).exception
    assert isinstance(missing, MisuseError)
    assert "veritape restore --day" in missing.message
