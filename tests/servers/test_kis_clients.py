"""Three public clients of the broker, no line of theirs touched, against the replay (KIS-200 to 207)."""

import subprocess
from pathlib import Path

import pytest
from tests.servers.clients import ROOT, TRADES, Outcome, by_code, report_of_calls, run

EVERYTHING = 3 * TRADES


@pytest.mark.parametrize("client", ["python-kis", "mojito2", "kis-agent"])
def test_an_unmodified_client_receives_every_tick_at_width_46(client: str, tmp_path: Path) -> None:
    """KIS-201, KIS-202, KIS-203, KIS-204, KIS-207, OB-812: by environment variables or public arguments, 3,000 ticks equal to the truth, in order."""
    outcome = run(client, 46, tmp_path, lambda so_far: len(so_far.ticks) >= EVERYTHING)
    assert by_code(outcome.ticks) == outcome.sent()
    assert {code: len(ticks) for code, ticks in outcome.sent().items()} == dict.fromkeys(
        outcome.sent(), TRADES
    )
    assert len(outcome.ticks) == EVERYTHING
    assert outcome.rejected == []
    assert outcome.rest["symbol"] == "990001"
    sizes = {frame["records"] for frame in outcome.of_kind("frame")}
    assert {1, 20} <= sizes <= set(range(1, 21))


def test_python_kis_loses_every_tick_at_width_47(tmp_path: Path) -> None:
    """KIS-205: at width 47 python-kis refuses each frame; a release that reads one fails this test."""
    frames = 900
    outcome = run("python-kis", 47, tmp_path, lambda so_far: len(so_far.rejected) >= frames)
    assert outcome.ticks == []
    assert len(outcome.rejected) >= frames
    assert all("Invalid data length" in text for text in outcome.rejected)


def test_mojito2_shifts_every_later_record_at_width_47(tmp_path: Path) -> None:
    """KIS-205: at width 47 only the first record of a frame keeps its symbol in mojito2."""
    outcome = run("mojito2", 47, tmp_path, lambda so_far: len(so_far.ticks) >= EVERYTHING)
    assert len(outcome.ticks) == EVERYTHING
    assert [tick[0] == code for code, first, tick in _placed(outcome) if first] == [True] * _frames(outcome)
    assert not any(tick[0] == code for code, first, tick in _placed(outcome) if not first)


def test_python_kis_repeats_a_call_that_came_too_fast(tmp_path: Path) -> None:
    """KIS-172, KIS-174: it paces itself and repeats after EGW00201 until it is answered; the broker's report counts both."""
    answered, report = report_of_calls(calls=20, fault="egw00201=0.3", folder=tmp_path)
    assert answered == 20
    assert report["refusals"]["count"] > 0
    assert report["calls"]["count"] - report["refusals"]["count"] >= 20
    assert report["calls"]["most_in_1_s"] <= 2 * 19


def test_the_vendors_helper_is_not_stored_and_its_needs_are_met() -> None:
    """KIS-208, KIS-022: no file of the vendor's stands in this tree; tests/unit/replay/adapters/test_server.py shows its header cases."""
    stored = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [name for name in stored.splitlines() if "kis_auth" in name] == []


def _placed(outcome: Outcome) -> list[tuple[str, bool, list[str]]]:
    """Return (code of the frame, whether first in it, tick) in order of arrival."""
    ticks = iter(outcome.ticks)
    return [
        (frame["code"], place == 0, next(ticks))
        for frame in outcome.of_kind("frame")
        for place in range(frame["records"])
    ]


def _frames(outcome: Outcome) -> int:
    return len(outcome.of_kind("frame"))


@pytest.mark.parametrize(
    ("client", "package", "version"),
    [
        ("python-kis", "python-kis", "2.1.6"),
        ("mojito2", "mojito2", "0.1.6"),
        ("kis-agent", "kis-agent", "1.6.1"),
    ],
)
def test_each_client_is_the_pinned_release(client: str, package: str, version: str) -> None:
    """KIS-200, KIS-201, KIS-206: an environment of its own, locked with hashes, its files as published."""
    python = ROOT / ".tools" / "clients" / client / "bin" / "python"
    program = (
        "import base64, hashlib, importlib.metadata as m, sys; d = m.distribution(sys.argv[1]);"
        "bad = [str(f) for f in d.files if f.hash and base64.urlsafe_b64encode("
        "hashlib.new(f.hash.mode, f.locate().read_bytes()).digest()).rstrip(b'=').decode() != f.hash.value];"
        "print(d.version, bad)"
    )
    answer = subprocess.run([python, "-c", program, package], capture_output=True, text=True, check=True)
    assert answer.stdout.split(maxsplit=1) == [version, "[]\n"]
    lock = (ROOT / "requirements" / "clients" / f"{client}.txt").read_text()
    assert f"{package}=={version} \\\n    --hash=sha256:" in lock
