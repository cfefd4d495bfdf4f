"""How far a command is."""

import sys

import pytest

from veritape.apps.progress import Progress
from veritape.kernel.clock import NANOSECONDS, ManualClock


def test_plain_lines_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """OB-971: plain lines where there is no terminal, on stderr."""
    clock = ManualClock()
    progress = Progress("backup", clock)
    progress("sent", 1_000_000)
    clock.advance_ns(5 * NANOSECONDS)
    progress("sent", 500_000)
    progress("sent", 1)
    progress.end()
    out, err = capsys.readouterr()
    assert (out, err) == ("", "backup: sent 2 files, 1.5 MB\n")


def test_one_line_that_changes_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    clock = ManualClock()
    progress = Progress("drill", clock)
    progress.end()
    for _ in range(2):
        clock.advance_ns(NANOSECONDS // 10)
        progress("restored", 10)
    progress.end()
    err = capsys.readouterr().err
    assert err.count("\r") == 4
    assert "restored 2 files" in err
    assert "\n" not in err
