"""Scenario 4: triggers, slots and the overflow ledger of the recorder's own process, on tapes with planted surges."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.recording_run import DAY, Process, Run, a_run

from veritape.observer.adapters.control_index import journalled_inputs
from veritape.observer.adapters.journal_files import read_journal
from veritape.observer.frames import Acknowledgement, parse_message
from veritape.observer.journal import Kind
from veritape.observer.track_b import replay

pytestmark = pytest.mark.xdist_group("track_b")
"""One worker has them all: they share what is dear to start."""

SPEED = 60
SURGING, QUIET = 50, 10
CODES = [f"7{number:05}" for number in range(QUIET + SURGING)]
"""The quiet ones first: equal ranks go to the smaller code, so they hold slots when the others surge."""

PINNED = CODES[-2:]
CHOICE_MINUTE, SURGE_MINUTE, CLOSE_MINUTE = 15, 25, 30
"""Minutes of the session; a second of real time is one at most."""

OPEN_MS = 34_200_000
"""Open on the tape's clock, New York."""


def tape(surges: bool) -> str:
    """Return a stock that trades 200 shares a minute, and fifty times as much in one of them."""
    lines = []
    for minute in range(CLOSE_MINUTE):
        size = 5_000 if surges and minute == SURGE_MINUTE else 100
        lines += [f"{OPEN_MS + minute * 60_000 + ms},50000,{size}" for ms in (10_000, 40_000)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A recorded session of sixty codes at one broker that bears 41."""
    folder = tmp_path_factory.mktemp("track_b")
    for name, surges in (("surging", True), ("quiet", False)):
        (folder / f"{name}.csv").write_text(tape(surges))
    with a_run(folder) as one:
        sources = [f"{folder / 'surging.csv'}:{code}" for code in CODES[QUIET:]]
        sources += [f"{folder / 'quiet.csv'}:{code}" for code in CODES[:QUIET]]
        tapes = [word for source in sources for word in ("--tape", source)]
        options = ("--speed", str(SPEED), "--seconds", str(CLOSE_MINUTE * 60), *tapes)
        broker = one.broker(*options, manual=PINNED, waits=False)
        with one.configuration.open("a") as configuration:
            configuration.write(f"[track_a]\ninterval_minutes = 1\ncontext_minutes = {CHOICE_MINUTE}\n")
        recorder = one.recorder_in_time(broker, "--day", DAY)
        ended = recorder.wait()
        assert ended.status == 0, ended.output
        end(broker)
        yield one


def end(broker: Process) -> None:
    broker.send(signal.SIGTERM)
    assert broker.wait().status == 0


def log(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_bytes(run).splitlines()]


def log_bytes(run: Run) -> bytes:
    files = sorted((run.data / "export").glob(f"decisions_{DAY}_*.jsonl"))
    assert files
    return b"".join(path.read_bytes() for path in files)


def test_planted_surges_fire_and_nothing_else_does(run: Run) -> None:
    """OB-931, OB-1025, OB-302: scenario 4: each planted code is a candidate by volume, no quiet one ever is."""
    found = {
        decision["code"]
        for line in log(run)
        for decision in line["decisions"]
        if decision["trigger"] == "volume_surge"
    }
    assert found == set(CODES[QUIET:])


def test_forty_one_is_never_passed(run: Run) -> None:
    """OB-931, OB-344, OB-1017: registrations that exist or may exist, from the frames themselves; the broker refuses none."""
    held: set[str] = set()
    most, refusals, changes = 0, 0, 0
    for _, _, frame in read_journal(run.data / "journal"):
        message = parse_message(frame.data) if frame.kind is Kind.TEXT else None
        if frame.kind is Kind.SENT and b'"tr_type":"1"' in frame.data:
            held.add(json.loads(frame.data)["body"]["input"]["tr_key"])
            changes += 1
        elif isinstance(message, Acknowledgement):
            refusals += message.msg_cd == "OPSP0008"
            if message.msg_cd == "OPSP0001":
                held.discard(message.tr_key)
        most = max(most, len(held))
    assert (most, refusals) == (41, 0)
    assert changes > 41, "nothing was ever replaced"


def test_the_first_choice_came_from_the_whole_universe(run: Run) -> None:
    """OB-391, OB-392, OB-394: at its time, or at once when the recorder came later; pinned codes stay."""
    choices = [line for line in log(run) if line["cause"] == "context"]
    assert len(choices) == 1
    reasons = {decision["reason"] for decision in choices[0]["decisions"]}
    assert reasons & {"context", "late_start", "stale_context"}
    held = [d["code"] for line in log(run) for d in line["decisions"] if d["reason"] == "manual"]
    assert held == PINNED


def test_the_overflow_ledger_is_who_was_not_chosen(run: Run) -> None:
    """OB-931, OB-348, OB-1018: candidates less the chosen, evaluation by evaluation; filled at the day's end."""
    turned_away = {
        (line["at_ns"], decision["code"])
        for line in log(run)
        for decision in line["decisions"]
        if decision["decision"] == "overflow"
    }
    files = sorted((run.data / "export").glob(f"overflow_{DAY}_*.jsonl"))
    entries = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    assert {(entry["at_ns"], entry["code"]) for entry in entries} == turned_away
    surge = [line for line in log(run) if line["cause"] == "sweep" and len(line["decisions"]) >= SURGING]
    [evaluation] = surge
    chosen = {d["code"] for d in evaluation["decisions"] if d["decision"] != "overflow"}
    lost = {d["code"] for d in evaluation["decisions"] if d["decision"] == "overflow"}
    assert chosen | lost == set(CODES[QUIET:])
    replaced = {d["released"] for d in evaluation["decisions"] if d["decision"] == "replaced"}
    assert replaced == set(CODES[:QUIET])
    assert len(lost) == SURGING - 41
    assert all(entry["until_ns"] is not None and entry["shares"] is not None for entry in entries)
    truth = {
        record["code"]: record["shares"]
        for record in map(json.loads, run.truth_file.read_text().splitlines())
        if record["kind"] == "end"
        for record in ({"code": code, **totals} for code, totals in record["codes"].items())
    }
    for entry in entries:
        assert 0 <= entry["sweep_shares"] + entry["shares"] <= truth[entry["code"]]


def test_the_decision_log_replays_byte_for_byte(run: Run) -> None:
    """OB-306, OB-931, OB-1021: the journalled inputs through the pure engine."""
    inputs = list(journalled_inputs(run.data / "journal" / "KRX", DAY))
    engine, lines = replay(inputs)
    assert b"".join(lines) == log_bytes(run)
    again = run.command("export", "--data", str(run.data), "--day", DAY, "--kind", "decisions")
    assert (again.status, "0 files written" in again.output) == (0, True), again.output
    assert len(lines) > CLOSE_MINUTE // 2
    rows = [entry.row(DAY) for entry in engine.overflow.entries]
    files = sorted((run.data / "export").glob(f"overflow_{DAY}_*.jsonl"))
    assert [json.loads(line) for path in files for line in path.read_bytes().splitlines()] == rows


def test_what_had_a_slot_is_accounted_for(run: Run) -> None:
    """OB-606, OB-613: every code that was ever watched has a line with an anchor; what was not watched is stated."""
    ended = run.command("audit", "--data", str(run.data), "--day", DAY, "--json")
    lines = {line["code"]: line for line in json.loads(ended.output)["lines"]}
    watched = {
        decision["code"]
        for line in log(run)
        for decision in line["decisions"]
        if decision["decision"] in {"allocated", "replaced"}
    }
    assert set(lines) >= watched
    for code in watched:
        anchor = lines[code]["anchor"]
        totals = [lines[code][part]["shares"] for part in ("recorded", "backfilled", "residual")]
        assert sum(totals) == anchor["shares"], code


def test_the_rankings_are_asked_for_twice_a_minute(run: Run) -> None:
    """OB-302, KIS-066: both lists are inputs of the engine, each at most once a minute."""
    asked: dict[str, list[int]] = {}
    for data in journalled_inputs(run.data / "journal" / "KRX", DAY):
        fact = json.loads(data)
        if fact["input"] == "ranking":
            asked.setdefault(fact["list"], []).append(fact["at_ns"] // 10**9)
    assert set(asked) == {"volume", "fluctuation"}
    for times in asked.values():
        assert SURGE_MINUTE // 2 < len(times) <= CLOSE_MINUTE + 1


def test_a_killed_recorder_goes_on_with_the_same_slots(tmp_path: Path) -> None:
    """OB-351, OB-391: kill -9 within the session: the wanted list comes back in the same order, and so does the log."""
    (tmp_path / "quiet.csv").write_text(tape(surges=False))
    codes = CODES[:6]
    with a_run(tmp_path) as run:
        tapes = [word for code in codes for word in ("--tape", f"{tmp_path / 'quiet.csv'}:{code}")]
        options = ("--speed", "40", "--seconds", str(CLOSE_MINUTE * 60), *tapes)
        broker = run.broker(*options, manual=codes[:1], waits=False)
        with run.configuration.open("a") as configuration:
            configuration.write("[track_a]\ninterval_minutes = 1\ncontext_minutes = 5\n")
        first = run.recorder_in_time(broker, "--day", DAY)
        first.says("slots chosen from the whole universe")
        first.says(r"6 of 41 slots")
        first.send(signal.SIGKILL)
        first.wait()
        before = list(journalled_inputs(run.data / "journal" / "KRX", DAY))
        wanted = replay(before)[0].wanted
        assert wanted[0] == codes[0]
        assert sorted(wanted) == codes
        again = run.recorder_in_time(broker, "--day", DAY)
        again.says(r"6 of 41 slots")
        again.send(signal.SIGTERM)
        assert again.wait().status == 0
        end(broker)
        after = list(journalled_inputs(run.data / "journal" / "KRX", DAY))
        assert after[: len(before)] == before
        kinds = [json.loads(data)["input"] for data in after]
        assert (kinds.count("begun"), kinds.count("configured"), kinds.count("context")) == (1, 1, 1)
        sent = [
            json.loads(frame.data)["body"]["input"]["tr_key"]
            for _, _, frame in read_journal(run.data / "journal")
            if frame.kind is Kind.SENT and b'"tr_type":"1"' in frame.data
        ]
        assert sent[-6:] == wanted
