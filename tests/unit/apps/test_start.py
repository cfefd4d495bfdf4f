"""What a signal means before and after a command."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from veritape.apps import start
from veritape.apps.start import Ending, interrupt_from_now_on, main, status_of


@pytest.fixture
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in start.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_stopped_command_has_its_own_status() -> None:
    """OB-971, EX-633: a long-running one is done, a batch one was interrupted."""
    assert (status_of(["veritape", "record", "--config", "f"]), status_of(["veritape", "jobs"])) == (0, 0)
    assert (status_of(["veritape", "run", "record"]), status_of(["veritape"])) == (130, 130)


def test_nothing_else_is_loaded_before_signals_are_answered() -> None:
    """OB-971: between the interpreter's start and the handlers stands none of our libraries, nor a module of ours."""
    script = (
        "import sys; import veritape.apps.start; "
        "print([name for name in sys.modules if name.split('.')[0] in ('veritape', 'click', 'asyncio')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['veritape', 'veritape.apps', 'veritape.apps.start']"


@pytest.mark.usefixtures("_handlers")
def test_the_handlers_are_the_ending_s_while_loading_and_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-971: at once before the command is loaded, KeyboardInterrupt in it, the command's own status after it."""
    seen: list[list[object]] = []
    ended: list[int] = []

    class Module:
        @staticmethod
        def main() -> None:
            seen.append([signal.getsignal(number) for number in start.SIGNALS])
            interrupt_from_now_on()
            seen.append([signal.getsignal(number) for number in start.SIGNALS])
            interrupt_from_now_on()
            raise SystemExit(1)

    for number in start.SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    monkeypatch.setattr("importlib.import_module", lambda _: Module)
    monkeypatch.setattr(sys, "argv", ["veritape", "record"])
    monkeypatch.setattr(Ending.__init__, "__defaults__", (ended.append,))
    with pytest.raises(SystemExit):
        main()
    assert all(isinstance(handler, Ending) for handler in seen[0])
    assert seen[1] == [signal.default_int_handler] * 2
    signal.raise_signal(signal.SIGTERM)
    assert ended == [1]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(SystemExit):
        main()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("number", start.SIGNALS)
@pytest.mark.parametrize(("command", "status"), [("record", 0), ("run", 130)])
def test_a_signal_while_a_library_loads_is_no_exception_in_it(
    tmp_path: Path, number: signal.Signals, command: str, status: int
) -> None:
    """OB-971, EX-633: a library that swallows what comes up in it, or makes another error of it, changes nothing."""
    (tmp_path / "slow.py").write_text(
        f"import os\ntry:\n    os.kill(os.getpid(), {int(number)})\n    for _ in range(10**9): pass\n"
        "except BaseException as error:\n    raise ImportError('half loaded') from error\n"
    )
    (tmp_path / "begun.py").write_text(
        "from veritape.apps import start, command_line\n"
        f"command_line.COMMANDS['{command}'] = ('slow:command', 'is loaded slowly')\n"
        "start.main()"
    )
    ended = subprocess.run(
        (sys.executable, "-m", "begun", command),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},  # noqa: TID251 - inherited
        check=False,
        capture_output=True,
    )
    assert (ended.returncode, ended.stderr) == (status, b"")
