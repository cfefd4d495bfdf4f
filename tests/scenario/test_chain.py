"""The chain as a user runs it: demo with and without faults, up until Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
VERITAPE = (sys.executable, "-m", "veritape")
SOAK = bool(os.environ.get("VERITAPE_SOAK"))  # noqa: TID251 - the size of these tests
SECONDS, TAKES_S = (60, 100) if SOAK else (10, 300)
"""Of tape, and what the run may take: the promised time, or ten times what the short one needs."""

ENDS_IN_S = 5 if SOAK else 50
"""Of OB-971, or ten times as long where others may have the processor."""


def demo(*arguments: str) -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
    answer = subprocess.run(
        (*VERITAPE, "demo", "--json", *arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return json.loads(answer.stdout), answer


def average(totals: dict[str, int]) -> str:
    """Return the VWAP of what the market did, computed without the chain: four decimals, half up (EX-239)."""
    exact = Fraction(totals["value_krw"], totals["shares"])
    units = (exact * 10_000 * 2 + 1) // 2
    return f"{units // 10_000}.{units % 10_000:04}"


def test_without_faults_everything_that_was_sent_is_recorded() -> None:
    """OB-813, OB-606, EX-239: recorded equals sent for every symbol, every line closes, the VWAP is the source's, exit 0."""
    report, answer = demo("--seconds", str(SECONDS))
    assert answer.returncode == 0, answer.stderr
    assert report["ok"]
    for symbol in report["ticks"]["symbols"].values():
        assert symbol["recorded"] == symbol["sent"] > 0
        assert symbol["closed"]
        assert symbol["volume_closed"]
        assert symbol["recorded_totals"] == symbol["truth"]
    receipts = report["receipts"]
    assert receipts["kind"] == "simulated"
    assert receipts["verified"] == receipts["count"] == 6 * report["segments"]["sealed"]
    assert receipts["vwap"] == {
        code: average(symbol["truth"]) for code, symbol in report["ticks"]["symbols"].items()
    }
    assert report["metrics"]["families"] >= 30
    assert report["sweeps"]["received"] == report["sweeps"]["expected"] == 3 * (SECONDS // 10 + 1)
    assert report["segments"]["sealed"] >= 1
    gateway = report["gateway"]
    assert gateway["requests"] == gateway["allowed"] + gateway["limited"]
    assert gateway["limited"] > 0 == gateway["errors"]
    assert report["seconds"]["total"] < TAKES_S


def test_the_whole_day_with_dropped_frames_gives_the_worked_figures() -> None:
    """OB-608, OB-853: drop = 0.01 at seed 7 over the whole day, through every process: the ledger's figures exactly."""
    report, answer = demo("--speed", "max", "--no-backfill", "--fault", "drop=0.01", "--seed", "7")
    assert answer.returncode == 0, (answer.stderr, report)
    expected = {
        "990001": (24_111, 23_913, 198, 35_797, 65_320_248_700),
        "990002": (25_265, 25_062, 203, 39_177, 19_176_495_900),
        "990003": (86_467, 85_650, 817, 540_973, 74_992_924_500),
    }
    symbols = report["ticks"]["symbols"]
    assert set(symbols) == set(expected)
    for code, (sent, recorded, residual, shares, value) in expected.items():
        symbol = symbols[code]
        assert (symbol["sent"], symbol["recorded"], symbol["residual"]) == (sent, recorded, residual)
        assert symbol["residual_totals"] == {"trades": residual, "shares": shares, "value_krw": value}
        assert symbol["closed"]
    assert report["segments"]["bytes_per_tick"] < 10


def test_what_was_dropped_is_fetched() -> None:
    """OB-701, OB-705, OB-708: backfilled rises, in session and after the anchor; the lines close, with what cannot be fetched stated."""
    report, answer = demo("--seconds", str(SECONDS), "--fault", "drop=0.01")
    assert answer.returncode == 0, answer.stderr
    for symbol in report["ticks"]["symbols"].values():
        assert symbol["closed"]
        assert symbol["recorded"] + symbol["backfilled"] + symbol["residual"] == symbol["sent"]
    assert report["ticks"]["backfilled"] > report["ticks"]["residual"]
    assert report["ticks"]["backfilled"] > 10


def test_another_tape_runs_through_the_chain(tmp_path: Path) -> None:
    """OB-815: --tape FILE:CODE."""
    tape = tmp_path / "day.csv"
    tape.write_text("".join(f"{34_200_000 + n * 700},{5000 + n % 7},{1 + n % 3}\n" for n in range(400)))
    report, answer = demo("--seconds", "3", "--tape", f"{tape}:123456")
    assert answer.returncode == 0, answer.stderr
    assert list(report["ticks"]["symbols"]) == ["123456"]
    assert report["ticks"]["recorded"] == report["ticks"]["sent"] > 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fault", "melt=1"), "unknown fault"),
        (("--speed", "fast"), "--speed fast"),
        (("--tape", "none.csv:123456"), "none.csv"),
    ],
)
def test_a_bad_option_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    """OB-971, OB-991: the part's own words reach the user, and the run ends at once with exit 2, before a folder is made."""
    answer = subprocess.run(
        (*VERITAPE, "demo", *arguments), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert words in answer.stderr.splitlines()[-1]
    assert "Traceback" not in answer.stderr


def interrupted(folder: Path) -> float:
    """Run `up` in a folder until two minutes are recorded, then press Ctrl-C; return the seconds until its end with 0."""
    process = subprocess.Popen((*VERITAPE, "up", "--data", str(folder)), stdout=subprocess.DEVNULL)
    try:
        log = folder / "logs" / "observer.log"
        deadline = time.monotonic() + PATIENCE_S  # noqa: TID251 - a whole process is watched
        while not (log.exists() and re.search(r"^09:(0[2-9]|[1-5]\d) ", log.read_text(), re.MULTILINE)):
            assert time.monotonic() < deadline  # noqa: TID251 - as above
            assert process.poll() is None
            time.sleep(0.1)
        began = time.monotonic()  # noqa: TID251 - as above
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        return time.monotonic() - began  # noqa: TID251 - as above
    finally:
        process.kill()
        process.wait()


def test_up_ends_with_ctrl_c_in_time_and_its_recording_equals_the_truth(tmp_path: Path) -> None:
    """OB-971, OB-005: Ctrl-C ends `up` in under 5 s with exit 0; the audit equals the truth up to the last acknowledged frame."""
    folder = tmp_path / "run"
    assert interrupted(folder) < ENDS_IN_S
    compare = (sys.executable, str(ROOT / "scripts" / "compare_with_truth.py"), str(folder))
    answer = subprocess.run(compare, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("equal") == 3
    planted = folder / "truth-20131007.jsonl"
    text = planted.read_text()
    planted.write_text(text.replace('"shares":', '"shares":1', 1))
    assert subprocess.run(compare, capture_output=True, check=False, timeout=PATIENCE_S).returncode == 1
