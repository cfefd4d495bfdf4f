"""Commands that meet the files of a newer program."""

import sqlite3
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.servers.gateway_process import VERITAPE
from tests.waiting import PATIENCE_S

from veritape.apps.command_line import veritape
from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.kernel.errors import UnavailableError


def newer(path: Path) -> None:
    """Give a file a version that nobody knows yet."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    path = tmp_path / "gateway.toml"
    path.write_text(f'data_dir = "{tmp_path / "data"}"\n[telemetry]\nlisten = ""\n[listen]\nadmin = ""\n')
    return path


@pytest.mark.parametrize(
    ("file", "command", "reason"),
    [
        ("usage.db", ["usage", "--period", "2026-10"], "ledger_version"),
        ("usage.db", ["usage", "export", "--period", "2026-10"], "ledger_version"),
        ("usage.db", ["usage", "reconcile"], "ledger_version"),
        ("keys.db", ["keys", "list"], "keys_version"),
        ("keys.db", ["keys", "create", "acme", "--tier", "free"], "keys_version"),
    ],
)
def test_each_command_says_in_one_line_what_to_do(
    config: Path, tmp_path: Path, file: str, command: list[str], reason: str
) -> None:
    """GW-941: which file, both versions, install the newer program; exit 1; the file is as it was."""
    path = tmp_path / "data" / file
    (Ledger if file == "usage.db" else SqliteKeys)(path).close()
    newer(path)
    before = path.read_bytes()
    ended = CliRunner().invoke(veritape, [*command, "--config", str(config)])
    error = ended.exception
    assert isinstance(error, UnavailableError)
    assert error.exit_code == 1
    assert ended.output == ""
    assert error.message.startswith(
        f"{reason}: {path} is of version 99, written by a newer veritape; this one knows "
    )
    assert error.message.endswith(": install the newer one, versions only go forward")
    assert path.read_bytes() == before


@pytest.mark.parametrize(("file", "reason"), [("usage.db", "ledger_version"), ("keys.db", "keys_version")])
def test_a_gateway_does_not_start(config: Path, tmp_path: Path, file: str, reason: str) -> None:
    """GW-941: one line, exit 1, nothing served, the file as it was."""
    path = tmp_path / "data" / file
    (Ledger if file == "usage.db" else SqliteKeys)(path).close()
    newer(path)
    before = path.read_bytes()
    ended = subprocess.run(
        [VERITAPE, "serve", "--port", "0", "--config", str(config)],
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith(
        f"veritape: {reason}: {path} is of version 99, written by a newer veritape"
    )
    assert path.read_bytes() == before
