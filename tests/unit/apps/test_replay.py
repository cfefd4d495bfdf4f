"""The command ``veritape replay``: options and refusals."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.waiting import PATIENCE_S

from veritape.apps.replay import replay
from veritape.kernel.errors import MisuseError
from veritape.replay.schedule import parse_clock


def test_a_time_is_milliseconds_of_the_day() -> None:
    assert parse_clock("09:00:01") == 32_401_000


@pytest.mark.parametrize("text", ["9:00:00", "24:00:00", "x"])
def test_a_bad_time_is_refused(text: str) -> None:
    with pytest.raises(MisuseError, match="HH:MM:SS"):
        parse_clock(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--wire", "trade=x"], "expected trade=W"),
        (["--day", "2013-10-07"], "YYYYMMDD"),
        (["--day", "20131399"], "YYYYMMDD"),
        (["--day", "00000101"], "YYYYMMDD"),
        (["--until", "08:00:00"], "nothing to play"),
        (["--from", "16:00:00"], "nothing to play"),
        (["--from", "10:00:00", "--seconds", "60"], "nothing to play"),
        (["--until", "10:00:00", "--seconds", "5"], "give one"),
        (["--proxy-port", "0"], "give both"),
        (["--ca-file", "ca.pem"], "give both"),
        (["--fault", "melt=1"], "unknown fault"),
        (["--speed", "0"], "--speed 0"),
    ],
)
def test_bad_options_end_before_anything_listens(arguments: list[str], words: str) -> None:
    """OB-851, OB-971: bad usage exits 2 with one line."""
    result = CliRunner().invoke(replay, arguments)
    assert isinstance(result.exception, MisuseError)
    assert words in result.exception.message
    assert result.exception.exit_code == 2


@pytest.mark.parametrize("option", ["--calendar-file", "--ca-file", "--truth"])
def test_an_output_that_cannot_be_written_ends_with_one_line(tmp_path: Path, option: str) -> None:
    """OB-971: exit 2; the message names the option, the path and the folder, which nobody makes."""
    path = tmp_path / "none" / "below"
    ports = ["--rest-port", "0", "--websocket-port", "0"]
    proxy = ["--proxy-port", "0"] if option == "--ca-file" else []
    result = CliRunner().invoke(replay, [*ports, *proxy, option, str(path)])
    assert isinstance(result.exception, MisuseError)
    assert f"{option} {path}: there is no folder {path.parent}" in result.exception.message
    assert result.exception.exit_code == 2
    assert not path.parent.exists()


def test_a_day_is_logged_from_the_open_doors_to_the_end() -> None:
    """TL-600, TL-610: addresses and keys on stdout, the life cycle as JSON lines on stderr, up to the last listener's end."""
    command = [
        sys.executable, "-m", "veritape", "replay", "--rest-port", "0", "--websocket-port", "0", "--speed", "max",
        "--seconds", "60", "--fault", "drop=0.01",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        records = []
        for line in process.stderr:
            records.append(json.loads(line))
            if records[-1]["event"] == "day_ended":
                process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout is not None
        said = process.stdout.read()
    minutes = [record["tape_time"] for record in records if record["event"] == "minute_played"]
    assert minutes
    assert minutes == sorted(set(minutes))
    assert [record["event"] for record in records if record["event"] != "minute_played"] == [
        "process_started", "day_begun", "day_ended", "process_stopped",
    ]  # fmt: skip
    assert {record["part"] for record in records} == {"replay"}
    for name, door in (("REST", "rest_port"), ("WebSocket", "websocket_port")):
        assert re.search(rf"^{name} +[a-z]+://127.0.0.1:{records[0][door]}\b", said, re.MULTILINE)
    assert re.search("^appkey +", said, re.MULTILINE)
    assert (records[0]["faults"], records[-1]["event"]) == (["drop"], "process_stopped")
