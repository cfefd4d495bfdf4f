"""``veritape export``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.binance import FIRST, SECOND, frames, trades
from tests.recorded_day import record_day
from tests.unit.observer.adapters.binance.test_recording import opened, written

from veritape.apps.export import export
from veritape.kernel.errors import MisuseError
from veritape.observer import inputs, journal
from veritape.observer.adapters.recording_day import day_start_ns
from veritape.observer.decisions import Limits
from veritape.observer.journal import Frame, Header, Kind, Venue
from veritape.observer.notes import NoteKind, note
from veritape.observer.triggers import RULES


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return record_day(tmp_path / "data", "20131007")


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(export, ["--data", str(data), *words], standalone_mode=False)


def test_missing_windows_are_written_and_the_others_compared(data: Path, tmp_path: Path) -> None:
    """OB-721: re-creatable; the same bytes; exit 1 when a file is not what the journal gives."""
    told = json.loads(run(data, "--json", "--kind", "system").stdout)
    assert (told["day"], told["written"][0], told["same"]) == ("20131007", "system_20131007_0800.jsonl", 0)
    again = run(data, "--kind", "system")
    assert (again.return_value, again.stdout) == (
        0, f"20131007: 0 files written to {data / 'export'}, {len(told['written'])} were there, 0 differ\n",
    )  # fmt: skip
    (data / "export" / told["written"][0]).write_bytes(b"")
    changed = run(data, "--kind", "system")
    assert (changed.return_value, "is not what the journal gives" in changed.stderr) == (1, True)
    assert run(data, "--into", str(tmp_path / "other"), "--compress", "--day", "20131007").return_value == 0
    assert len(list((tmp_path / "other").glob("scalp_*.jsonl.zst"))) > 300


def test_what_was_not_recorded_is_named(data: Path, tmp_path: Path) -> None:
    """OB-971."""
    for words in ((data, "--day", "20131231"), (tmp_path / "none",)):
        failed = run(*words).exception
        assert isinstance(failed, MisuseError)


def test_decisions_are_written_again_from_the_journal(tmp_path: Path) -> None:
    """OB-306, OB-512, OB-1021: the hours of the decision log; a changed one is found."""
    midnight_ns, day = day_start_ns("20131007"), "20131007"
    facts = [
        inputs.begun((32_400, 55_800), 600, 40, {"990001": (1, 1, False)}, ()),
        inputs.configured(RULES, Limits(2), ("990002",)),
        {"input": "closed"},
    ]
    frames = []
    for number, fact in enumerate(facts):
        at_ns = midnight_ns + (32_000 + 24_000 * (number == 2)) * 10**9
        data = note(NoteKind.TRACK_B, day=day, at_ns=at_ns, **fact)
        frames.append(Frame(Kind.NOTE, 0, number + 1, at_ns, at_ns, data))
    path = tmp_path / "journal" / "KRX" / day / "0853-0.vtj"
    path.parent.mkdir(parents=True)
    head = journal.encode_file_header(Header(Venue.KRX, bytes(16), 1, bytes(16)))
    path.write_bytes(head + journal.encode_block(frames, 0, 1))
    told = json.loads(run(tmp_path, "--kind", "decisions", "--json").stdout)
    assert told["written"] == [f"decisions_{day}_{hour:02}00.jsonl" for hour in range(8, 16)]
    first = tmp_path / "export" / told["written"][0]
    assert json.loads(first.read_bytes())["decisions"][0]["code"] == "990002"
    assert run(tmp_path, "--kind", "decisions").return_value == 0
    first.write_bytes(b"changed")
    assert run(tmp_path, "--kind", "decisions").return_value == 1


async def test_the_second_venue_s_windows_are_minutes_of_utc(tmp_path: Path) -> None:
    """OB-721, OB-722, OB-901: every trade received on the day, once, under its UTC minute; decisions are KRX's."""
    book = await written(tmp_path, opened(), *frames(FIRST, SECOND))
    await book.close()
    asked = ("--venue", "BINANCE", "--day", FIRST, "--json")
    told = json.loads(run(tmp_path, *asked).stdout)
    names = [name for name in told["written"] if name.startswith("scalp_")]
    assert {name[:17] for name in names} == {f"scalp_{FIRST}_23"}
    lines = [
        json.loads(line) for name in names for line in (tmp_path / "export" / name).read_bytes().splitlines()
    ]
    ids = [line["trade_id"] for line in lines]
    assert ids == sorted(set(ids))
    assert json.loads(run(tmp_path, *asked).stdout)["written"] == []
    following = json.loads(run(tmp_path, "--venue", "BINANCE", "--day", SECOND, "--json").stdout)["written"]
    more = [
        json.loads(line)["trade_id"]
        for name in following if name.startswith("scalp_")
        for line in (tmp_path / "export" / name).read_bytes().splitlines()
    ]  # fmt: skip
    assert [*ids, *more] == [one.trade_id for one in trades(FIRST, SECOND)]
    refused = run(tmp_path, *asked, "--kind", "decisions").exception
    assert isinstance(refused, MisuseError)
