"""The truth file on disk."""

import json
from pathlib import Path

import pytest
from tests.plain_client import tape

from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.replay.adapters.truth_file import TruthFile
from veritape.replay.delivery import Fate, Outcome
from veritape.replay.market import Market
from veritape.replay.packing import pack

MARKET = Market([tape()], "20131007")


def test_a_day_is_a_file_of_its_own(tmp_path: Path) -> None:
    """OB-809: {day} stands for the date; a summary closes it."""
    one = TruthFile(f"{tmp_path}/{{day}}.jsonl")
    one.open(MARKET, 7, {})
    frame = pack([MARKET.quoted["990001"].series])[0]
    one.record(frame, MARKET, Outcome(Fate.SENT, ()), [1])
    one.note(32_400_000, "refused", {"code": "OPSP0008"})
    one.close()
    one.close()
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "20131007.jsonl").read_text().splitlines()]
    assert kinds == ["start", "trade", "frame", "event", "end"]


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-809: nothing of a day that is played is left anywhere."""
    monkeypatch.chdir(tmp_path)
    one = TruthFile(None)
    one.open(MARKET, 7, {})
    one.note(1, "x", {})
    one.record(pack([MARKET.quoted["990001"].series])[0], MARKET, Outcome(Fate.SENT, ()), [])
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """OB-971: one line that says what to do; no folder is made of a mistyped path."""
    with pytest.raises(MisuseError, match=r"--truth .* there is no folder"):
        TruthFile(f"{tmp_path}/none/x").open(MARKET, 7, {})
    assert not (tmp_path / "none").exists()
    with pytest.raises(UnavailableError, match="--truth"):
        TruthFile(str(tmp_path)).open(MARKET, 7, {})
