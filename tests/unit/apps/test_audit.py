"""The command ``veritape audit``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.binance import frames as binance_frames
from tests.tape import DAY, anchors, day_notes, frames, own_note

from veritape.apps.audit import audit, passes
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import CheckFailedError, MisuseError
from veritape.observer import journal
from veritape.observer.adapters.control_database import ControlDatabase
from veritape.observer.control import OBSERVATIONS
from veritape.observer.notes import NoteKind
from veritape.telemetry.adapters.audit_files import AuditFiles, log_files
from veritape.telemetry.audit_log import AuditKind, Entry

UNTIL = 32_400_000 + 60_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    head = journal.encode_file_header(journal.Header(journal.Venue.KRX, bytes(16), 1, bytes(16)))
    notes = [
        *day_notes(),
        *frames(until_ms=UNTIL),
        *anchors(until_ms=UNTIL),
        own_note(NoteKind.CLOSED, day=DAY),
    ]
    path = tmp_path / "journal" / "KRX" / DAY / "0900-0.vtj"
    path.parent.mkdir(parents=True)
    path.write_bytes(head + journal.encode_block(notes, 0, 1))
    return tmp_path


def test_text_and_json(data: Path) -> None:
    """OB-677, OB-678: a row a line, or one JSON document and nothing else on stdout; exit 0 when every line closes."""
    result = CliRunner().invoke(audit, ["--data", str(data)], standalone_mode=False)
    assert (result.return_value, result.output.count("complete")) == (0, 3)
    result = CliRunner().invoke(
        audit, ["--data", str(data), "--json", "--symbol", "990001"], standalone_mode=False
    )
    assert [line["code"] for line in json.loads(result.output)["lines"]] == ["990001"]


def test_a_code_without_a_line_is_refused(data: Path) -> None:
    """OB-971, OB-991: nothing can be said of it, so nothing is: no empty table, no verdict."""
    asked = ["--data", str(data), "--symbol", "990001", "--symbol", "111111"]
    result = CliRunner().invoke(audit, asked, standalone_mode=False)
    assert isinstance(result.exception, MisuseError)
    assert "--symbol 111111: no such line on 20131007" in str(result.exception)
    assert result.output == ""


def test_the_picture_is_drawn(data: Path, tmp_path: Path) -> None:
    """OB-679, OB-971: --picture F.svg, beside the usual output."""
    file = tmp_path / "day.svg"
    result = CliRunner().invoke(audit, ["--data", str(data), "--picture", str(file)], standalone_mode=False)
    assert (result.return_value, result.output.count("complete")) == (0, 3)
    first = file.read_bytes()
    assert first.startswith(b"<svg")
    CliRunner().invoke(audit, ["--data", str(data), "--picture", str(file)], standalone_mode=False)
    assert file.read_bytes() == first
    nowhere = ["--data", str(data), "--picture", str(tmp_path / "none" / "day.svg")]
    refusal = CliRunner().invoke(audit, nowhere, standalone_mode=False).exception
    assert isinstance(refusal, MisuseError)
    assert "there is no folder" in refusal.message
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("arguments", [["--reparse"], ["--reparse", DAY], [f"--reparse={DAY}", "--json"]])
def test_reparse_with_and_without_a_day(data: Path, arguments: list[str]) -> None:
    """OB-457, OB-971: --reparse DAY; without a date the day that is audited."""
    result = CliRunner().invoke(audit, ["--data", str(data), *arguments], standalone_mode=False)
    assert (result.return_value, result.stderr) == (0, f"reparsed 0 trades of {DAY}\n")


def test_the_settings_file_names_the_folder(data: Path, tmp_path: Path) -> None:
    """OB-971: --config F beside --data DIR; one of them is needed, and --backfill needs the file."""
    config = tmp_path / "record.toml"
    config.write_text(f'[observer]\ndata_dir = "{data}"\n')
    assert CliRunner().invoke(audit, ["--config", str(config)], standalone_mode=False).return_value == 0
    for arguments, words in (
        ([], "give --data"), (["--data", str(data), "--backfill"], "give --config"),
        (["--config", "nowhere.toml"], "nowhere.toml"),
    ):  # fmt: skip
        exception = CliRunner().invoke(audit, arguments, standalone_mode=False).exception
        assert isinstance(exception, MisuseError)
        assert words in exception.message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--day", "20990101"], "recorded are 20131007"), (["--venue", "NXT"], "no recording of NXT")],
)
def test_what_was_not_recorded_is_named(data: Path, arguments: list[str], words: str) -> None:
    """OB-971: bad usage exits 2."""
    result = CliRunner().invoke(audit, ["--data", str(data), *arguments], standalone_mode=False)
    assert isinstance(result.exception, MisuseError)
    assert words in result.exception.message


@pytest.mark.parametrize(
    ("status", "closed", "strict", "expected"),
    [
        ("complete", True, True, True),
        ("residual", True, False, True),
        ("residual", True, True, False),
        ("unproven", True, False, False),
        ("contradicted", False, False, False),
        ("complete", False, False, False),
    ],
)
def test_what_fails_an_audit(status: str, closed: bool, strict: bool, expected: bool) -> None:
    """OB-971: open, contradicted, unproven; --strict: residual."""
    assert passes({"closed": closed, "lines": [{"status": status}]}, strict=strict) == expected


def test_a_damaged_file_fails_the_audit_with_one_line(data: Path) -> None:
    """OB-971, OB-991: exit 1 and one line on stderr; the document still says what the rest holds."""
    (path,) = data.rglob("*.vtj")
    path.chmod(0o444)
    result = CliRunner().invoke(audit, ["--data", str(data), "--json"], standalone_mode=False)
    assert (result.return_value, result.stderr.count("\n")) == (1, 1)
    assert "it was sealed and now ends at byte" in result.stderr
    assert json.loads(result.stdout)["closed"]


def test_the_audit_log_is_checked(tmp_path: Path) -> None:
    """TL-668: head and number of records; a changed byte ends it with 1 and names the line."""
    head = AuditFiles(tmp_path, SystemClock()).append(Entry(AuditKind.BACKUP_MADE, "cli:root", "a", {}))
    result = CliRunner().invoke(audit, ["--data", str(tmp_path), "--log"], standalone_mode=False)
    assert f"1 records, the chain holds, head {head.digest.hex()}" in result.output
    result = CliRunner().invoke(audit, ["--data", str(tmp_path), "--log", "--json"], standalone_mode=False)
    assert json.loads(result.output) == {"head": head.digest.hex(), "records": 1}
    path = log_files(tmp_path / "audit")[0]
    path.write_bytes(path.read_bytes().replace(b"root", b"rood"))
    result = CliRunner().invoke(audit, ["--data", str(tmp_path), "--log"], standalone_mode=False)
    assert isinstance(result.exception, CheckFailedError)
    assert f"audit/{path.name}: line 1: " in result.exception.message


def test_observations_are_printed_by_day(data: Path) -> None:
    """OB-007: numbers measured on the account, with their dates; as text or as JSON."""
    database = ControlDatabase(data / "control.db")
    for day, value in (("20131004", "40"), (DAY, "41")):
        row = {"name": "registrations", "day": day, "value": value, "observed_ns": 7}
        database.put(OBSERVATIONS, row)
    database.close()
    arguments = ["--data", str(data), "--observations"]
    result = CliRunner().invoke(audit, arguments, standalone_mode=False)
    assert result.output.splitlines() == [
        "20131004  registrations            40",
        "20131007  registrations            41",
    ]
    result = CliRunner().invoke(audit, [*arguments, "--json", "--day", DAY], standalone_mode=False)
    assert [row["value"] for row in json.loads(result.output)] == ["41"]


def test_observations_of_a_folder_without_an_index_name_who_builds_it(data: Path) -> None:
    """OB-007, OB-971: exit 2."""
    with pytest.raises(MisuseError, match="veritape record builds it"):
        CliRunner().invoke(
            audit, ["--data", str(data), "--observations"], standalone_mode=False, catch_exceptions=False
        )


def test_the_second_venue_is_audited_by_its_own_ledger(tmp_path: Path) -> None:
    """OB-901, OB-971: --venue BINANCE; what only KRX has is refused by name."""
    head = journal.encode_file_header(journal.Header(journal.Venue.BINANCE, bytes(16), 1, bytes(16)))
    path = tmp_path / "journal" / "BINANCE" / "20240809" / "0000-0.vtj"
    path.parent.mkdir(parents=True)
    path.write_bytes(head + journal.encode_block(list(binance_frames("20240809")), 0, 1))
    arguments = ["--data", str(tmp_path), "--venue", "BINANCE"]
    result = CliRunner().invoke(audit, arguments, standalone_mode=False)
    assert (result.return_value, result.output.splitlines()[2].split()[:2]) == (1, ["BTCUSDT", "unproven"])
    result = CliRunner().invoke(audit, [*arguments, "--json"], standalone_mode=False)
    assert json.loads(result.output)["format"] == "veritape.audit.binance.v1"
    result = CliRunner().invoke(audit, [*arguments, "--backfill"], standalone_mode=False)
    assert isinstance(result.exception, MisuseError)
    assert "--backfill are for KRX" in result.exception.message
