"""Scenario 1, system initialisation: a cold start comes to ready, and without any one precondition it says which.

What the recorder cannot begin without ends it: one line and its exit code. What may still come, answers of the broker
and room on the disk, it waits for: ``/ready`` names the check that fails, and so does the one event before the open.
"""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.ports import kept_port
from tests.scenario.recording_run import CODES, DAY, Process, Run, a_run
from tests.waiting import PATIENCE_S

from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.observer.readiness import Check

SEOUL = timezone(timedelta(hours=9))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with a_run(tmp_path) as one:
        yield one


class Page:
    """The recorder's own page on a free port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.environment = {"VERITAPE_RECORD_TELEMETRY__LISTEN": f"127.0.0.1:{self._port}"}

    def failing(self) -> set[str] | None:
        """Return the checks that fail, None before the page is there; status and body must agree."""
        try:
            status, body = self._get("/ready")
        except OSError:
            return None
        document = json.loads(body)
        required = {check["name"] for check in document["checks"] if check["required"]}
        failing = {check["name"] for check in document["checks"] if not check["passed"]}
        assert (status, document["status"]) == ((503, "not_ready") if failing & required else (200, "ready"))
        return failing

    def shown(self) -> dict[str, float]:
        """Return every sample of the metrics page."""
        lines = [line for line in self._get("/metrics")[1].splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def _get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()


@pytest.fixture
def page() -> Iterator[Page]:
    with kept_port() as port:
        yield Page(port)


def comes(fact: Callable[[], bool], recorder: Process) -> None:
    """Wait until something is so; the recorder must live meanwhile."""
    deadline = time.monotonic() + PATIENCE_S  # noqa: TID251 - a test's own limit
    while not fact():
        assert time.monotonic() < deadline, recorder.output  # noqa: TID251 - as above
        recorder.runs_on_for(0.1)


def told(recorder: Process, event: str) -> dict[str, Any]:
    """Return the log's record of an event when it has come."""
    return dict(json.loads(recorder.says(rf'(?m)^\{{.*"event":"{event}".*$').group(0)))


def test_a_cold_start_comes_to_ready(run: Run, page: Page) -> None:
    """OB-931, OB-411, TL-720: scenario 1: an empty folder, a broker, two secrets: universe, token, socket and slots stand, /ready is 200."""
    run.broker("--speed", "60", "--seconds", "1800")
    recorder = run.recorder("--day", DAY, **page.environment)
    comes(lambda: page.failing() == set(), recorder)
    health = told(recorder, "health")
    assert (health["ready"], health["problems"], health["day"]) == (True, [], DAY)
    comes(lambda: page.shown()["observer_track_b_slots_allocated"] == len(CODES), recorder)
    shown = page.shown()
    assert {name: shown[f'veritape_ready_check{{check="{name}"}}'] for name in Check} == dict.fromkeys(
        Check, 1
    )
    assert shown['veritape_ready{part="observer"}'] == 1
    assert shown["observer_universe_size"] == len(CODES)
    assert shown["observer_token_validity_seconds"] > 0
    assert shown["observer_websocket_connected"] == 1
    [universe] = (run.data / "universe").glob("*.json")
    assert universe.name == f"{DAY}_kr_stocks.json"
    assert [path.suffix for path in (run.data / "token").iterdir()].count(".json") == 1
    assert list((run.data / "journal" / "KRX" / DAY).glob("*.vtj"))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Yield one broker for every recorder that does not get far."""
    with a_run(tmp_path_factory.mktemp("start")) as one:
        one.broker("--speed", "1")
        yield one


def with_a_strangers_secret(run: Run) -> None:
    run.appsecret = "x" * len(run.appsecret)


def without_a_secret(run: Run) -> None:
    run.appsecret = ""


def without_a_broker(run: Run) -> None:
    run.configuration.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", run.configuration.read_text()))


def with_a_file_for_a_folder(run: Run) -> None:
    run.data.write_text("in the way")


def with_a_bad_calendar(run: Run) -> None:
    (run.folder / "calendar.toml").write_text('[[day]]\ndate = "20131007"\nkind = "party"\n')


def with_a_closed_day(run: Run) -> None:
    (run.folder / "calendar.toml").write_text(
        '[[day]]\ndate = "20131007"\nkind = "closed"\nreason = "a rest"\n'
    )


def without_its_key_file(run: Run) -> None:
    text = f'{run.configuration.read_text()}[token]\nkey_file = "{run.folder}/no.key"\n'
    run.configuration.write_text(text)


def without_a_configuration(run: Run) -> None:
    run.configuration.unlink()


@pytest.mark.xdist_group("start")
@pytest.mark.parametrize(
    ("remove", "status", "words"),
    [
        (without_a_configuration, 2, r"record\.toml: No such file"),
        (without_a_secret, 2, r"kis\.appsecret"),
        (with_a_strangers_secret, 1, r"kis\.appsecret"),
        (without_a_broker, 1, r"no replayed broker answers at http://127\.0\.0\.1:1"),
        (with_a_file_for_a_folder, 1, r"observer\.data_dir"),
        (with_a_bad_calendar, 2, r"calendar\.toml: row 1"),
        (with_a_closed_day, 2, r"closed on 20131007"),
        (without_its_key_file, 2, r"token\.key_file"),
    ],
)
def test_what_it_cannot_begin_without_ends_it_in_one_line(
    start: Run, tmp_path: Path, remove: Callable[[Run], None], status: int, words: str
) -> None:
    """OB-931, OB-971: scenario 1: each removed in turn: its own line, which names what is missing, and its exit code."""
    with a_run(tmp_path) as run:
        run.appkey, run.appsecret = start.appkey, start.appsecret
        for name in ("record.toml", "calendar.toml"):
            text = (start.folder / name).read_text().replace(str(start.folder), str(run.folder))
            (run.folder / name).write_text(text)
        remove(run)
        ended = run.recorder("--day", DAY).wait()
    lines = [line for line in ended.output.splitlines() if not line.startswith("{")]
    assert (ended.status, len(lines)) == (status, 1), ended.output
    assert re.search(words, lines[0]), lines
    assert lines[0].startswith("veritape: ")
    assert start.appsecret not in ended.output


WAITED_FOR = {
    "master_bad=bad_zip": Check.UNIVERSE_IN_FORCE,
    "egw00133": Check.TOKEN_VALID,
    "rest=OPSQ0002": Check.BROKER_REACHABLE,
    "opsp8996=3600": Check.WEBSOCKET,
    "opsp0011=100000": Check.WEBSOCKET,
    "opsp=OPSP8991": Check.WEBSOCKET,
}
"""A fault of the broker -> the check that it fails."""


@pytest.mark.parametrize(("fault", "check"), WAITED_FOR.items())
def test_what_the_broker_does_not_give_is_named(run: Run, page: Page, fault: str, check: Check) -> None:
    """OB-931, OB-411, TL-730: scenario 1: universe, token, quote, socket, slots: /ready and the event name the one that is missing."""
    run.broker("--speed", "60", "--seconds", "3600", "--fault", fault, waits=False)
    recorder = run.recorder("--day", DAY, **page.environment)
    beside = {Check.UNIVERSE_IN_FORCE, Check.WEBSOCKET} if check is Check.TOKEN_VALID else set()
    comes(lambda: page.failing() == {check.value, *beside}, recorder)
    if not beside:
        health = told(recorder, "health")
        assert (health["ready"], health["problems"]) == (False, [check.value])
    assert page.shown()[f'veritape_ready_check{{check="{check}"}}'] == 0


def test_too_little_room_is_named(run: Run, page: Page) -> None:
    """OB-931, OB-510, TL-720: scenario 1: less is free than the journal keeps for itself: disk_space, also before anything is due."""
    run.broker("--speed", "60", "--seconds", "1800")
    keeps = {"VERITAPE_RECORD_JOURNAL__KEPT_BYTES": str(1 << 50)}
    recorder = run.recorder("--day", DAY, **page.environment, **keeps)
    comes(lambda: page.failing() == {Check.DISK_SPACE.value}, recorder)
    assert told(recorder, "health")["problems"] == [Check.DISK_SPACE.value]


def test_a_clock_that_differs_from_the_brokers_is_named(run: Run, page: Page) -> None:
    """OB-931, OB-411, KIS-180: scenario 1: a broker five seconds ahead: clock is shown, and makes nobody wait."""
    soon = datetime.fromtimestamp(SystemClock().wall_ns() // NANOSECONDS, SEOUL) + timedelta(minutes=10)
    day = f"{soon:%Y%m%d}"
    run.broker("--speed", "1", "--day", day, "--fault", "clock_skew=5000", waits=False)
    text = run.configuration.read_text().replace("follow_replay_clock = true", "follow_replay_clock = false")
    run.configuration.write_text(text)
    (run.folder / "calendar.toml").write_text(
        f'[[day]]\ndate = "{day}"\nkind = "session"\nopen = "00:01"\nclose = "23:59"\nreason = "long"\n'
    )
    recorder = run.recorder("--day", day, **page.environment)
    comes(lambda: Check.CLOCK.value in (page.failing() or ()), recorder)
