"""Scenarios 2, 3 and 5: what the recorder's own process asks the broker by REST, against the replayed broker."""

import json
import signal
import urllib.request
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from tests.scenario.recording_run import DAY, SOAK, Process, Run, a_run
from tests.waiting import PATIENCE_S

from veritape.observer.membership import digest
from veritape.wire.kis.rest import MASTER_PATHS

SPEED = 1 if SOAK else 4
"""Tape seconds a second: the faster run measures two busy processes as much as the pace."""

CODES = ["700000", "700001", "700002", "700003"]
COPIES = 500
BAD = "991005"
CYCLES = ("0902", "0903", "0904")
LIMIT_SECONDS = 5.0 if SOAK else 20.0
"""Longest cycle; at four times the speed of life two busy cores answer late, and the pace itself is shown by its formula."""


def tapes(folder: Path, codes: list[str]) -> list[str]:
    """Return options that play a quiet tape under each code."""
    path = folder / "quiet.csv"
    path.write_text("".join(f"{34_200_000 + number * 20_000},50000,100\n" for number in range(30)))
    return [word for code in codes for word in ("--tape", f"{path}:{code}")]


def each_minute(run: Run) -> None:
    with run.configuration.open("a") as configuration:
        configuration.write("[track_a]\ninterval_minutes = 1\n")


def stopped(*processes: Process) -> None:
    for process in processes:
        process.send(signal.SIGTERM)
        assert process.wait().status == 0, process.output


def manifest(run: Run, clock: str) -> dict[str, Any] | None:
    path = run.data / "sweeps" / "venue=KRX" / f"day={DAY}" / f"{clock}.json"
    return dict(json.loads(path.read_bytes())) if path.exists() else None


def address(run: Run) -> str:
    (line,) = (line for line in run.configuration.read_text().splitlines() if line.startswith("rest_url"))
    return line.split('"')[1].removeprefix("http://")


def report(run: Run) -> dict[str, Any]:
    """Return what the broker counted for the one account."""
    with urllib.request.urlopen(f"http://{address(run)}/replay/report", timeout=PATIENCE_S) as answer:
        (account,) = json.loads(answer.read())["accounts"].values()
    return dict(account)


def wait_for(run: Run, recorder: Process, clock: str) -> None:
    for _ in range(480 * 10 // SPEED):
        if manifest(run, clock) is not None:
            return
        recorder.runs_on_for(0.1)
    raise AssertionError(f"no sweep at {clock}:\n{recorder.output}")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, dict[str, Any]]]:
    """Three cycles of two thousand symbols: one holds a bad code, in the next every token dies."""
    folder = tmp_path_factory.mktemp("calls")
    with a_run(folder) as run:
        faults = ("--fault", f"bad_code={BAD}@09:02:30-09:03:30", "--fault", "token_expiry=09:04:02")
        options = ("--speed", str(SPEED), "--from", "08:59:50", "--multiply", str(COPIES), *faults)
        broker = run.broker(*options, *tapes(folder, CODES), manual=CODES, waits=False)
        each_minute(run)
        recorder = run.recorder_in_time(broker, "--day", DAY)
        wait_for(run, recorder, CYCLES[-1])
        counted = report(run)
        stopped(recorder, broker)
        yield run, counted


@pytest.mark.xdist_group("swept")
def test_two_thousand_symbols_in_five_seconds(swept: tuple[Run, dict[str, Any]]) -> None:
    """OB-931, OB-1025, OB-208: scenario 3: three cycles on the grid, each in time, every manifest closes."""
    run, counted = swept
    seconds = []
    for clock in CYCLES:
        one = manifest(run, clock)
        assert one is not None
        assert one["expected"] == len(CODES) * COPIES == one["received"] + len(one["missing"])
        assert one["started_ns"] - one["grid_ns"] >= 0
        seconds.append((one["ended_ns"] - one["started_ns"]) / 10**9)
    assert min(seconds) >= 3.6, "faster than the pace allows"
    assert max(seconds) <= LIMIT_SECONDS, seconds
    assert counted["calls"]["most_in_1_s"] <= 18
    assert counted["refusals"]["count"] <= 40, "the dead tokens' calls and the bad code's"


@pytest.mark.xdist_group("swept")
def test_a_bad_code_stands_alone_and_costs_nobody_else(swept: tuple[Run, dict[str, Any]]) -> None:
    """OB-931, OB-206: scenario 3: it is refused in its cycle, the 29 of its call are received, and it is back in the next."""
    run, _ = swept
    before, struck, after = (manifest(run, clock) or {} for clock in CYCLES)
    assert struck["missing"] == {BAD: "refused"}
    assert struck["calls"] <= before["calls"] + 9
    assert (before["missing"], after["missing"]) == ({}, {})


@pytest.mark.xdist_group("swept")
def test_a_token_that_dies_in_a_sweep_costs_no_symbol_and_one_issue(
    swept: tuple[Run, dict[str, Any]],
) -> None:
    """OB-931, OB-404, OB-402: scenario 5: every call in flight fails at once; one issue, no symbol missing."""
    run, counted = swept
    after = manifest(run, CYCLES[-1]) or {}
    assert (after["received"], after["missing"]) == (len(CODES) * COPIES, {})
    assert counted["tokens"]["count"] == 2


def test_a_refused_token_request_is_waited_for(tmp_path: Path) -> None:
    """OB-931, OB-402, KIS-033: scenario 5: EGW00133 means 61 s of waiting; the recorder goes on and sweeps again."""
    with a_run(tmp_path) as run:
        faults = ("--fault", "token_expiry=09:02:30", "--fault", "egw00133=1@09:02:31-09:03:40")
        broker = run.broker(
            "--speed", "20", "--seconds", "420", *faults, *tapes(tmp_path, CODES), manual=CODES
        )
        each_minute(run)
        recorder = run.recorder("--day", DAY)
        wait_for(run, recorder, "0906")
        counted = report(run)
        stopped(recorder, broker)
        events = [json.loads(line) for line in run.truth_file.read_text().splitlines()]
        refused = [one["ms"] for one in events if one["kind"] == "event" and "EGW00133" in json.dumps(one)]
        assert refused
        assert all(later - earlier >= 61_000 for earlier, later in pairwise(refused))
        assert counted["tokens"]["count"] >= 2
        last = manifest(run, "0906") or {}
        assert (last["received"], last["missing"]) == (len(CODES), {})


def universe(run: Run, day: str) -> dict[str, Any]:
    return dict(json.loads((run.data / "universe" / f"{day}_kr_stocks.json").read_bytes()))


def prepared(run: Run, day: str, *options: str) -> dict[str, Any]:
    """Let a recorder prepare a day against a broker of its own; return the universe and the broker's files."""
    broker = run.broker("--speed", "60", "--day", day, *options, *tapes(run.folder, CODES), manual=CODES)
    recorder = run.recorder("--day", day)
    recorder.says(f"universe of {day}: ")
    served = {}
    for path in MASTER_PATHS:
        with urllib.request.urlopen(f"http://{address(run)}{path}", timeout=PATIENCE_S) as answer:
            served[path.rpartition("/")[2].removesuffix(".zip")] = blake3(answer.read()).hexdigest()
    stopped(recorder, broker)
    one = universe(run, day)
    assert one["blake3"] == digest(one)
    if one["provenance"] == "fresh":
        assert {source["name"]: source["blake3"] for source in one["sources"]} == served
    return one


def test_the_universe_over_three_days(tmp_path: Path) -> None:
    """OB-931, OB-106, OB-107, OB-108: scenario 2: files in, file out, hashes; created and deleted; a collapse is refused."""
    with a_run(tmp_path) as run:
        first = prepared(run, "20131007", "--multiply", "10")
        assert (first["count"], first["created"], first["deleted"], first["previous"]) == (40, [], [], None)
        second = prepared(run, "20131008", "--multiply", "9", "--fault", "master_add=5")
        assert (second["count"], len(second["created"]), len(second["deleted"])) == (41, 5, 4)
        assert second["previous"] == {"day": "20131007", "blake3": first["blake3"]}
        third = prepared(run, "20131010", "--multiply", "9", "--fault", "master_collapse=0.5")
        assert (third["provenance"], third["symbols"]) == ("kept_from:20131008", second["symbols"])
        (refused,) = (run.data / "universe" / "refused").iterdir()
        assert refused.name.startswith("20131010-")
        assert json.loads(refused.read_bytes())["count"] == 18
