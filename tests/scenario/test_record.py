"""The recorder as a process against the replayed broker: what it says equals what happened."""

import json
import random
import re
import signal
import socket
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports import kept_port
from tests.scenario.recording_run import (
    CODES,
    DAY,
    SOAK,
    STOP_SECONDS,
    Process,
    Run,
    a_run,
    assert_recorded_what_was_sent,
    totals,
)
from tests.waiting import PATIENCE_S, waited

KILLS = 20 if SOAK else 3
"""How often the recorder is killed."""

TAPE_SECONDS_A_KILL = 480
"""Seconds of tape for each of them, eight in real time: the recorder starts, records and is killed."""


MOVED = (
    'observer_track_a_cycles_total{outcome="complete"}', 'observer_trades_recorded_total{venue="krx"}', "observer_token_validity_seconds",
    "observer_api_requests_total", "observer_journal_bytes_total",
)  # fmt: skip
"""What a page shows of a recorder that sweeps and records, at its next tick."""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


@pytest.mark.parametrize("wire", ["trade=46", "trade=47"])
def test_a_session_without_faults_is_complete(run: Run, wire: str) -> None:
    """OB-614, OB-812, OB-931: scenario 6: recorded equals sent for every symbol, at either width, and no gap is stated."""
    broker = run.broker("--speed", "60", "--seconds", "240", "--wire", wire)
    assert run.recorder("--day", DAY).wait().status == 0
    broker.send(signal.SIGTERM)
    broker.wait()
    truth, lines = run.truth(), run.audit()
    for code in CODES:
        assert lines[code]["status"] == "complete"
        assert lines[code]["recorded"] == totals(truth[code])
        assert lines[code]["gaps"] == []
    assert_recorded_what_was_sent(run)


def test_dropped_frames_are_a_residual_on_every_line(run: Run) -> None:
    """OB-606, OB-852: frames dropped by the broker are missing, exactly what they held, and every line closes."""
    broker = run.broker("--speed", "60", "--seconds", "240", "--fault", "drop=0.05")
    assert run.recorder("--day", DAY).wait().status == 0
    broker.send(signal.SIGTERM)
    broker.wait()
    truth, lines = run.truth(), run.audit()
    for code in CODES:
        dropped = totals([trade for trade in truth[code] if trade["fate"] == "dropped"])
        assert dropped["trades"] > 0
        assert {key: lines[code]["residual"][key] for key in dropped} == dropped
    assert_recorded_what_was_sent(run)


def test_a_killed_recorder_loses_nothing_acknowledged_and_doubles_nothing(run: Run) -> None:
    """OB-005, OB-506, OB-508: kill -9 at random moments; what was durable is recorded once, the rest is stated.

    The tape stands still while a recorder starts, which takes its time on a busy machine: one that is back only after the
    close has a tail without an exact number of trades.
    """
    chance = random.Random(20131007)
    tape_minutes = KILLS * TAPE_SECONDS_A_KILL // 60
    broker = run.broker("--speed", "60", "--seconds", str(tape_minutes * 60))
    acknowledged: set[tuple[int, int, bytes]] = set()
    for _ in range(KILLS):
        recorder = run.recorder_in_time(broker, "--day", DAY)
        recorder.says("of 41 slots")
        if _minute(broker) > tape_minutes - 6:
            break
        recorder.runs_on_for(chance.uniform(0, 3.5))
        recorder.send(signal.SIGKILL)
        promised = [
            int(count.replace(",", ""))
            for count in re.findall(r"([\d,]+) frames durable", recorder.wait().output)
        ]
        now = run.journalled()
        assert acknowledged <= now, "recovery lost frames"
        assert len(now - acknowledged) >= promised[-1], "acknowledged frames are not in the journal"
        acknowledged = now
    else:
        recorder = run.recorder_in_time(broker, "--day", DAY)
    assert recorder.wait().status == 0, recorder.output
    assert acknowledged <= run.journalled()
    broker.send(signal.SIGTERM)
    broker.wait()
    assert_recorded_what_was_sent(run)
    assert {gap["cause"] for line in run.audit().values() for gap in line["gaps"]} <= {
        "process_down",
        "not_watched",
    }


def test_a_registration_that_the_broker_refused_is_a_row_of_the_audit(run: Run) -> None:
    """OB-342, OB-343, OB-673: two registrations are allowed, three codes wanted: the third is stated as missing, all of it, with its cause."""
    broker = run.broker("--speed", "60", "--seconds", "780", "--fault", "limit=2", waits=False)
    assert run.recorder_in_time(broker, "--day", DAY).wait().status == 0
    broker.send(signal.SIGTERM)
    broker.wait()
    truth, lines = run.truth(), run.audit()
    refused = lines["990003"]
    assert (refused["status"], refused["watched"], refused["recorded"]["trades"]) == ("swept_only", [], 0)
    missing = refused["residual"]["by_cause"]["subscription_refused"]
    happened = totals(truth["990003"])
    assert {key: missing[key] for key in ("shares", "value_krw")} == {
        key: happened[key] for key in ("shares", "value_krw")
    }
    assert_recorded_what_was_sent(run, except_trades_of=("990003",))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_seconds_with_everything_durable(run: Run, number: signal.Signals) -> None:
    """OB-971: exit 0 within four seconds; every frame that was sent before the signal's effect is on the record."""
    broker = run.broker("--speed", "60")
    recorder = run.recorder("--day", DAY)
    recorder.records_past(2)
    recorder.send(number)
    ended = recorder.wait(STOP_SECONDS)
    assert (ended.status, "Traceback" in ended.output) == (0, False)
    broker.send(signal.SIGTERM)
    broker.wait()
    lines = run.command("audit", "--data", str(run.data), "--json").output
    for code, trades in run.truth().items():
        recorded = _recorded(lines, code)
        assert recorded == totals(trades[: recorded["trades"]])
        assert recorded["trades"] > 0


def test_the_token_survives_a_restart_and_nobody_else_reads_it(run: Run) -> None:
    """OB-404, OB-405: one issue for several starts, the file 0600 in a folder 0700."""
    run.broker("--speed", "60")
    contents = set()
    for _ in range(2):
        recorder = run.recorder("--day", DAY)
        recorder.says("of 41 slots")
        [stored] = (run.data / "token").iterdir()
        contents.add(stored.read_bytes())
        assert (stat.S_IMODE(stored.stat().st_mode), stat.S_IMODE(stored.parent.stat().st_mode)) == (
            0o600,
            0o700,
        )
        recorder.send(signal.SIGTERM)
        assert recorder.wait(STOP_SECONDS).status == 0
    assert len(contents) == 1


def test_a_second_recorder_is_refused_with_the_first_ones_number(run: Run) -> None:
    """OB-008: one account, one process; exit 1, the holder is named, and the holder goes on."""
    run.broker("--speed", "60")
    first = run.recorder("--day", DAY)
    first.says("universe of")
    second = run.recorder("--day", DAY).wait()
    assert second.status == 1
    assert len(second.output.splitlines()) == 1
    assert str(first.number) in second.output
    first.says("3 of 41 slots")


def test_secrets_are_in_no_file_and_no_output(run: Run) -> None:
    """OB-1028, KIS-006: appkey and appsecret nowhere, the approval key in no journalled command."""
    broker = run.broker("--speed", "60", "--seconds", "60")
    recorder = run.recorder("--day", DAY)
    assert recorder.wait().status == 0
    broker.send(signal.SIGTERM)
    broker.wait()
    planted = [run.appkey.encode(), run.appsecret.encode()]
    files = [path for path in run.data.rglob("*") if path.is_file()]
    texts = [*(path.read_bytes() for path in files), recorder.output.encode()]
    texts += [data for _, _, data in run.journalled()]
    assert not [text for text in texts if any(secret in text for secret in planted)]
    commands = [data for _, _, data in run.journalled() if b'"approval_key"' in data]
    assert commands
    assert all(b'"approval_key":"***"' in command for command in commands)
    assert not [path for path in files if run.appkey in path.name]


def test_without_a_day_it_goes_on_to_the_next_session(run: Run) -> None:
    """OB-012: after one day's seals and statement it waits for the next session day and records that."""
    run.truth_file = run.folder / "truth-{day}.jsonl"
    run.broker("--speed", "120", "--seconds", "120", "--next-days")
    recorder = run.recorder()
    recorder.says("day 20131007 is over: every line closes")
    recorder.says("day 20131008 is over: every line closes")
    recorder.send(signal.SIGTERM)
    assert recorder.wait(STOP_SECONDS).status == 0


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("[pacing]\nrequests = 5\n", 2, r"record\.toml: unknown key 'pacing\.requests'"),
        ("[session]\nsilence_seconds = 5\n", 2, r"key 'session\.silence_seconds'"),
        ("[oops\n", 2, "not TOML"),
    ],
)
def test_a_bad_configuration_is_one_line_that_names_the_key(
    run: Run, line: str, status: int, words: str
) -> None:
    """OB-981, OB-991: exit 2, file and key named, nothing written."""
    run.configuration.write_text(f'[observer]\ndata_dir = "{run.data}"\n{line}')
    ended = run.recorder("--day", DAY).wait()
    assert ended.status == status
    assert len(ended.output.splitlines()) == 1
    assert re.search(words, ended.output)
    assert not run.data.exists()


def test_refused_credentials_end_it_with_their_setting(run: Run) -> None:
    """OB-971, KIS-040: a wrong appkey is exit 1 and one line that names the settings, not the key."""
    run.broker("--speed", "60")
    run.appkey = "PSnobodysKey000000000000000000000000"
    ended = run.recorder("--day", DAY).wait()
    assert ended.status == 1
    assert "kis.appkey" in ended.output
    assert run.appkey not in ended.output
    assert "Traceback" not in ended.output


def test_a_busy_metrics_port_ends_it_with_one_line(run: Run) -> None:
    """OB-971: exit 1, the port is named, and the account is free again."""
    run.broker("--speed", "60")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        address = {"VERITAPE_RECORD_TELEMETRY__LISTEN": f"127.0.0.1:{number}"}
        ended = run.recorder("--day", DAY, **address).wait()
    assert ended.status == 1
    assert len(ended.output.splitlines()) == 1
    assert str(number) in ended.output
    run.recorder("--day", DAY).says("universe of")


def test_the_metrics_page_follows_the_recording(run: Run) -> None:
    """TL-210: figures from the live path: universe, slots, trades, sweeps, calls, token."""
    run.broker("--speed", "60")
    with kept_port() as number:
        address = {"VERITAPE_RECORD_TELEMETRY__LISTEN": f"127.0.0.1:{number}"}
        run.recorder("--day", DAY, **address).records_past(3)
        figures: dict[str, float] = {}

        def have_moved() -> bool:
            figures.update(_figures(number))
            return all(figures[name] > 0 for name in MOVED)

        waited(have_moved, lambda: {name: figures[name] for name in MOVED})
    assert figures["observer_universe_size"] == 3
    assert figures["observer_track_b_slots_allocated"] == 3
    assert figures['observer_websocket_acknowledgements_total{code="OPSP0000"}'] == 3


def _figures(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        page = answer.read().decode()
    samples = (line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def _minute(broker: Process) -> int:
    """Return the tape's minute since the open, from the broker's log; 0 before its first line of a second."""
    times = re.findall(r'"tape_time":"(\d\d)(\d\d)\d\d"', broker.output)
    hour, minute = times[-1] if times else ("09", "00")
    return (int(hour) - 9) * 60 + int(minute)


def _recorded(audit: str, code: str) -> dict[str, int]:
    [line] = [line for line in json.loads(audit)["lines"] if line["code"] == code]
    return {key: line["recorded"][key] for key in ("trades", "shares", "value_krw")}
