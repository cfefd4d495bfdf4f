"""The command line: lazy commands, one-line errors, exit codes."""

import json
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from veritape.apps import command_line
from veritape.kernel.errors import MisuseError


@click.command()
@click.option("--how", default="well")
def planted(how: str) -> int:
    """Do what --how says."""
    if how == "badly":
        raise MisuseError("key 'how' is bad")
    if how == "interrupted":
        raise KeyboardInterrupt
    return 0 if how == "well" else 1


@pytest.fixture(autouse=True)
def _planted_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = types.ModuleType("planted_module")
    vars(module).update(command=planted, other="text")
    monkeypatch.setitem(sys.modules, "planted_module", module)
    monkeypatch.setitem(command_line.COMMANDS, "planted", ("planted_module:command", "do a planted thing"))
    monkeypatch.setitem(command_line.COMMANDS, "wrong", ("planted_module:other", "is no command"))
    monkeypatch.setitem(command_line.COMMANDS, "absent", ("no_such_library:command", "lacks a library"))
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["veritape", *arguments])
    with pytest.raises(SystemExit) as caught:
        command_line.main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(("how", "status"), [("well", 0), ("falsely", 1), ("badly", 2), ("interrupted", 130)])
def test_the_exit_status_says_what_happened(how: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "planted", "--how", how) == status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_long_running_command_that_is_stopped_while_it_starts_is_done(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-971: a signal before the command's own handlers stand ends it with 0, a batch command with 130."""

    @click.command()
    def stopped() -> None:
        """Be stopped at once."""
        signal.raise_signal(number)

    monkeypatch.setattr(sys.modules["planted_module"], "command", stopped)
    monkeypatch.setitem(command_line.COMMANDS, "serve", command_line.COMMANDS["planted"])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        assert (run(monkeypatch, "serve"), run(monkeypatch, "planted")) == (0, 130)
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interruption_while_a_library_makes_a_class_is_an_orderly_end_too(tmp_path: Path) -> None:
    """EX-633: 130, not the signal, which the interpreter remembers of a text that ``exec`` runs."""
    (tmp_path / "making.py").write_text('exec("raise KeyboardInterrupt")')
    (tmp_path / "started.py").write_text(
        "from veritape.apps import command_line\n"
        "command_line.COMMANDS['planted'] = ('making:command', 'is loaded by an exec')\n"
        "command_line.main()"
    )
    ended = subprocess.run(
        (sys.executable, "-m", "started", "planted"), cwd=tmp_path, check=False, capture_output=True
    )
    assert ended.returncode == 130, ended


def test_an_expected_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "planted", "--how", "badly")
    assert capsys.readouterr() == ("", "veritape: key 'how' is bad\n")


def test_help_lists_every_command_and_imports_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in command_line.COMMANDS)


def test_an_unknown_command_is_bad_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "plantde") == 2
    assert capsys.readouterr().err == "veritape: No such command 'plantde': see veritape --help\n"


def test_a_bad_option_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """EX-633: what is wrong and where to read more, in one line."""
    assert run(monkeypatch, "planted", "--hwo", "badly") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert (
        said.err == "veritape: No such option '--hwo'. Did you mean '--how'?: see veritape planted --help\n"
    )


def test_a_missing_library_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "absent") == 1
    assert "'absent' needs the library 'no_such_library': install veritape[all]" in capsys.readouterr().err


def test_a_table_row_that_is_no_command_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["veritape", "wrong"])
    with pytest.raises(TypeError, match="is not a click command"):
        command_line.main()


def test_a_missing_module_of_our_own_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(command_line.COMMANDS, "ours", ("veritape.nowhere:command", "is gone"))
    monkeypatch.setattr(sys, "argv", ["veritape", "ours"])
    with pytest.raises(ModuleNotFoundError):
        command_line.main()


LOADED = (
    ("", ""),
    ("guests cache verify inclusion aggregate", ""),
    ("run recheck jobs compute", "pyarrow"),
    ("record audit replay up demo", "aiohttp duckdb pyarrow"),
)
"""Commands, and the heavy libraries that are loaded when they and those before are: what a command may not need waits for its use."""

LOADER = """
import importlib, json, sys
from veritape.apps.command_line import COMMANDS
heavy = {"numba", "llvmlite", "redis", "distributed", "psycopg", "pyarrow", "duckdb", "aiohttp"}
found = []
for names in json.loads(sys.argv[1]):
    for name in names.split():
        importlib.import_module(COMMANDS[name][0].partition(":")[0])
    found.append(" ".join(sorted(heavy & sys.modules.keys())))
print(json.dumps(found))
"""


def test_a_command_loads_no_heavy_library_before_it_is_used() -> None:
    """EX-914: Numba and the client of Redis take a third of a second: neither stands in the way of help, of a refusal or of a recording."""
    command = (sys.executable, "-c", LOADER, json.dumps([names for names, _ in LOADED]))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [libraries for _, libraries in LOADED]
