"""``veritape recheck``: honest receipts match, others are refused."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.tape import DAY, frames, recorded

from veritape.apps.compute import compute
from veritape.apps.recheck import recheck
from veritape.executor.vwap import VwapJournal, average
from veritape.observer.adapters.segment_files import SegmentStore

UNTIL = 32_400_000 + 60_000


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Seal a minute of the bundled day and compute on it."""
    rows = recorded(*frames(until_ms=UNTIL)).days[DAY].rows[9]
    SegmentStore(tmp_path / "data").write(
        DAY, 9, rows, {}, [{"file": "f", "first_block": 0, "last_block": 0}]
    )
    folders = ["--data", str(tmp_path / "data"), "--receipts", str(tmp_path / "receipts")]
    assert CliRunner().invoke(compute, [*folders, "--once"], catch_exceptions=False).exit_code == 0
    return folders


def test_receipts_are_executed_again_and_match(arguments: list[str], tmp_path: Path) -> None:
    """EX-242, EX-319: each receipt's VWAP equals the one of the sealed rows; nothing is called proven."""
    document = json.loads(CliRunner().invoke(recheck, [*arguments, "--json"]).output)
    rows = recorded(*frames(until_ms=UNTIL)).days[DAY].rows[9]
    assert (document["kind"], document["verified"]) == ("simulated", document["count"])
    for one in document["computed"]:
        trades = [row.trade for row in rows if row.trade.code == one["code"]]
        volume, value = sum(t.shares for t in trades), sum(t.price * t.shares for t in trades)
        assert (one["volume_shares"], int(one["value"])) == (volume, value)
        assert "." in average([VwapJournal("", one["code"], 0, 0, volume, value)])
    text = CliRunner().invoke(recheck, arguments).output
    assert "executed again: claim matches (not proven)" in text
    assert len(list((tmp_path / "receipts").iterdir())) == document["count"] > 0


def test_a_receipt_of_another_tape_or_a_damaged_one_is_refused(arguments: list[str], tmp_path: Path) -> None:
    """EX-807: a receipt under another code's name, and a flipped byte, fail the check with exit 1."""
    first, second, *_ = sorted((tmp_path / "receipts").iterdir())
    shutil.copyfile(first, second)
    done = CliRunner().invoke(recheck, arguments, standalone_mode=False)
    assert done.return_value == 1
    assert "refused: input_mismatch" in done.output
    data = bytearray(first.read_bytes())
    data[40] ^= 1
    first.write_bytes(data)
    assert "refused: checksum_mismatch" in CliRunner().invoke(recheck, arguments).output
