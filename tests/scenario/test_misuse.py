"""What a newcomer gets wrong: one line that names cause and remedy, the documented exit status, nothing left behind."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from veritape.apps import command_line

NO_FILE = "veritape: --config none.toml: No such file or directory: name a TOML file that can be read\n"
NO_DATA = "veritape: --data none: no such folder: give the recorder's data directory\n"
NO_RECORDING = "veritape: no recording of KRX in empty: give the folder that holds journal/\n"

CONFIGURED = (
    "record", "audit", "backup", "restore", "drill", "usage", "serve --check", "compute --once --data empty",
    "run fibonacci --input-u32 1,0,1", "aggregate --explain --count 3", "jobs serve", "keys list",
)  # fmt: skip
"""Every command with ``--config``, in words that are right but for the file."""

REFUSED = [
    ("audit --data none", "veritape: no recording of KRX in none: give the folder that holds journal/\n"),
    ("audit --data empty --day 20200101", NO_RECORDING),
    ("audit --data none --log", "veritape: --data none: no such folder: give the data folder of the part that keeps the log\n"),
    ("export --data empty", NO_RECORDING),
    ("backup --data empty --to file:///nowhere", NO_RECORDING),
    ("backup --data none", NO_DATA),
    ("compute --data none --once", NO_DATA),
    ("compute --data text --once", NO_DATA.replace("none", "text")),
    ("recheck --data none --receipts empty", NO_DATA),
    ("recheck --data empty --receipts none", "veritape: --receipts none: no such folder: give the folder that veritape compute wrote\n"),
    ("cache --path none stats", "veritape: --path none: no such folder: give the cache's folder\n"),
    ("cache --path none clear", "veritape: --path none: no such folder: give the cache's folder\n"),
    ("run fibonacci --inputs empty", "veritape: --inputs empty: no input: give a folder of files, or a file with a value a line\n"),
    ("jobs serve --listen here", "veritape: http.listen: 'here' is no address as 127.0.0.1:8000\n"),
    ("demo --speed fast", "veritape: --speed fast: expected 0.1 to 1000 or max\n"),
    ("up --tape none.csv:123456", "veritape: --tape none.csv: No such file or directory\n"),
    ("record --config text --day today", "veritape: --day today: expected a date as YYYYMMDD\n"),
    ("demo --keep full", "veritape: --keep full: not an empty folder: name a new one\n"),
    ("up --data text", "veritape: --data text: not an empty folder: name a new one\n"),
    ("recorrd", "veritape: No such command 'recorrd': see veritape --help\n"),
]  # fmt: skip
"""What is typed, in a folder with ``empty/``, ``full/`` and the file ``text``, and the one line that answers."""


@pytest.fixture(autouse=True)
def _newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    (tmp_path / "text").write_text("not TOML [\n")
    (tmp_path / "other.toml").write_text("nope = 1\n")
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def typed(words: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """Type a command; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["veritape", *words.split()])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return ended.value.code


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[words for words, _ in REFUSED])
def test_misuse_is_one_line_and_leaves_nothing(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """EX-633: exit status 2, cause and remedy on stderr, nothing on stdout, no new file or folder."""
    before = names(tmp_path)
    assert typed(words, monkeypatch) == 2
    assert capsys.readouterr() == ("", said)
    assert names(tmp_path) == before


@pytest.mark.parametrize("words", CONFIGURED)
def test_every_command_refuses_a_bad_settings_file(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """OB-981: a file that is not there, is no TOML, or has an unknown key, is named in one line, whichever part reads it."""
    said = {}
    for file in ("none.toml", "text", "other.toml"):
        command, *rest = words.split()
        assert typed(" ".join((command, *rest, "--config", file)), monkeypatch) == 2
        out, said[file] = capsys.readouterr()
        assert (out, said[file].count("\n")) == ("", 1)
    assert said["none.toml"] == NO_FILE
    assert said["text"].startswith("veritape: text: not TOML: ")
    assert (
        "other.toml: unknown key 'nope'" in said["other.toml"]
        or "missing key 'observer'" in said["other.toml"]
    )


@pytest.mark.parametrize("group", ["", "keys", "cache", "guests", "jobs"])
def test_a_group_alone_shows_its_commands(
    group: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """EX-633: who names no command reads the help as it is laid out, on stderr, exit status 2."""
    assert typed(group, monkeypatch) == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert said.startswith(f"Usage: veritape {group}".rstrip() + " ")
    assert "\nCommands:\n" in said
