"""A replayed broker and a recorder as processes, on free ports and in one folder, for the scenario tests."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner
from pyarrow import parquet
from tests.waiting import PATIENCE_S

from veritape.apps.audit import audit
from veritape.observer.adapters.journal_files import read_journal

DAY = "20131007"
CODES = ("990001", "990002", "990003")
STOP_SECONDS = 40
"""Ten times what OB-971 allows a signalled recorder: on a busy machine a stop is slow, and only one that hangs is wrong."""
SOAK = os.environ.get("VERITAPE_SOAK") == "1"  # noqa: TID251 - the size of a test is asked for from outside


class Ended(NamedTuple):
    """What a process left behind."""

    status: int
    output: str


@dataclass
class Process:
    """One command of the product whose output goes to a file."""

    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("veritape"), *self.command],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},  # noqa: TID251 - inherited
            )

    @property
    def output(self) -> str:
        """Return everything printed so far."""
        return self.log.read_text()

    @property
    def number(self) -> int:
        """Return the process id."""
        return self._process.pid

    def says(self, pattern: str, seconds: float = PATIENCE_S) -> re.Match[str]:
        """Wait until the output matches; fail when the process ends before."""
        deadline = time.monotonic() + seconds  # noqa: TID251 - a test's own limit
        while time.monotonic() < deadline:  # noqa: TID251 - as above
            ended = self._process.poll() is not None
            if found := re.search(pattern, self.output):
                return found
            assert not ended, f"{self.command[0]} ended before it said {pattern!r}:\n{self.output}"
            time.sleep(0.02)
        raise AssertionError(f"{self.command[0]} never said {pattern!r}:\n{self.output}")

    def records_past(self, minute: int, slots: int = len(CODES)) -> None:
        """Wait until a recorder's line of a minute after nine, or of a later one, says that so many codes are registered.

        Who gets no processor for a moment says nothing of some minutes.
        """
        minutes = "|".join(f"{one:02}" for one in range(minute, 60))
        self.says(rf"(?m)^09:({minutes}) .* {slots} of 41 slots")

    def holds_the_account(self, data: Path, seconds: float = PATIENCE_S) -> None:
        """Wait until a recorder has its account's lock: its program is loaded, what follows needs the broker."""
        deadline = time.monotonic() + seconds  # noqa: TID251 - a test's own limit
        while str(self.number) not in "".join(lock.read_text() for lock in data.glob("account-*.lock")):
            assert self._process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output  # noqa: TID251 - as above
            time.sleep(0.02)

    def runs_on_for(self, seconds: float) -> None:
        """Let it run; it must still be there afterwards."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"{self.command[0]} ended by itself:\n{self.output}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = PATIENCE_S) -> Ended:
        """Wait for its end."""
        return Ended(self._process.wait(seconds), self.output)

    def end(self) -> None:
        """End it whatever its state."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@contextmanager
def standing_still(process: Process) -> Iterator[None]:
    """Take the processor from a process meanwhile."""
    process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send(signal.SIGCONT)


class Run:
    """One folder with a broker, the recorders that were started on it, and what they left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.truth_file = folder / "truth.jsonl"
        self.data = folder / "data"
        self.backfill = False
        """Whether the recorder fetches what it missed; a test of what is missed wants it to stay so."""
        self._processes: list[Process] = []
        self.appkey = self.appsecret = ""

    def broker(self, *options: str, manual: Sequence[str] = CODES, waits: bool = True) -> Process:
        """Start the replayed broker and write the configuration that belongs to it.

        Args:
            options: more of ``veritape replay``.
            manual: codes that the recorder pins.
            waits: whether the tape stands before the open until every code is registered.
        """
        calendar = self.folder / "calendar.toml"
        broker = self.start(
            "replay", "--rest-port", "0", "--websocket-port", "0", "--virtual", *(["--wait-registered"] if waits else []),
            "--truth", str(self.truth_file), "--calendar-file", str(calendar), *options,
        )  # fmt: skip
        self.appkey = broker.says(r"appkey +(\S+)").group(1)
        self.appsecret = broker.says(r"appsecret +(\S+)\n").group(1)
        rest, stream = (
            broker.says(pattern).group(1) for pattern in (r"REST +(\S+)", r"WebSocket +(\S+)/tryitout")
        )
        self.configuration.write_text(
            f'[observer]\ndata_dir = "{self.data}"\n[kis]\nrest_url = "{rest}"\nws_url = "{stream}"\n'
            f'master_url = "{rest}"\nfollow_replay_clock = true\n[universe]\nmin_count = 1\n'
            f'[calendar]\noverride_file = "{calendar}"\n[track_b]\nmanual = {json.dumps(manual)}\n'
            f'[telemetry]\nlisten = ""\n[backfill]\nenabled = {str(self.backfill).lower()}\n'
        )
        return broker

    @property
    def configuration(self) -> Path:
        """Return the recorder's configuration file."""
        return self.folder / "record.toml"

    def recorder(self, *options: str, **environment: str) -> Process:
        """Start a recorder; its credentials come from the environment."""
        secrets = {
            "VERITAPE_RECORD_KIS__APPKEY": self.appkey,
            "VERITAPE_RECORD_KIS__APPSECRET": self.appsecret,
        }
        return self.start(
            "record", "--config", str(self.configuration), *options, environment={**secrets, **environment}
        )

    def recorder_in_time(self, broker: Process, *options: str, **environment: str) -> Process:
        """Start a recorder while the tape stands: it misses nothing however long its program takes to load."""
        with standing_still(broker):
            recorder = self.recorder(*options, **environment)
            recorder.holds_the_account(self.data)
        return recorder

    def command(self, *words: str) -> Ended:
        """Run a command of the product to its end."""
        return self.start(*words).wait()

    def audit(self) -> dict[str, dict[str, Any]]:
        """Return the audit's lines by code; the command must agree that every line closes."""
        return {line["code"]: line for line in self.audit_document()["lines"]}

    def audit_document(self) -> dict[str, Any]:
        """Return the audit; the command must agree that every line closes."""
        ended = CliRunner().invoke(audit, ["--data", str(self.data), "--day", DAY, "--json"])
        document: dict[str, Any] = json.loads(ended.stdout)
        statuses = {
            line["code"]: (
                line["status"],
                [(gap["cause"], gap["left"], gap["right"]) for gap in line["gaps"]],
            )
            for line in document["lines"]
        }
        assert (document["closed"], ended.exit_code) == (True, 0), statuses
        return document

    def journalled(self) -> set[tuple[int, int, bytes]]:
        """Return every frame in the journal, by its receive time, kind and bytes."""
        return {
            (frame.received_ns, frame.kind, frame.data)
            for _, _, frame in read_journal(self.data / "journal" / "KRX")
        }

    def sealed(self) -> list[tuple[Any, ...]]:
        """Return (code, shares on the chain, price, shares) of every row of every segment."""
        columns = ["code", "chain_shares", "price", "shares"]
        files = sorted((self.data / "trades").rglob("*.parquet"))
        tables = [parquet.ParquetFile(file).read(columns=columns) for file in files]
        return [tuple(row[name] for name in columns) for table in tables for row in table.to_pylist()]

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        """Return what happened: code -> trades, each with the fate of its frame."""
        records = [json.loads(line) for line in self.truth_file.read_text().splitlines()]
        fates = {record["n"]: record["fate"] for record in records if record["kind"] == "frame"}
        trades: dict[str, list[dict[str, Any]]] = {code: [] for code in CODES}
        for record in records:
            if record["kind"] == "trade":
                trades[record["code"]].append({**record, "fate": fates[record["frame"]]})
        return trades

    def close(self) -> None:
        """End every process that is left."""
        for process in self._processes:
            process.end()

    def start(self, *command: str, environment: Mapping[str, str] | None = None) -> Process:
        """Start a command of the product."""
        log = self.folder / f"{len(self._processes):02}-{command[0]}.log"
        self._processes.append(Process(command, log, environment or {}))
        return self._processes[-1]


@contextmanager
def a_run(folder: Path) -> Iterator[Run]:
    """Yield a run whose processes end with the test."""
    run = Run(folder)
    try:
        yield run
    finally:
        run.close()


def totals(trades: list[dict[str, Any]]) -> dict[str, int]:
    """Add up trades of the truth file as the audit states them."""
    return {
        "trades": len(trades),
        "shares": sum(trade["shares"] for trade in trades),
        "value_krw": sum(trade["price"] * trade["shares"] for trade in trades),
    }


def assert_recorded_what_was_sent(run: Run, except_trades_of: Sequence[str] = ()) -> None:
    """Compare the audit and the segments with the truth file, trade by trade.

    Args:
        run: whose broker has ended.
        except_trades_of: codes of which only a range of missing trades is known.
    """
    truth, lines, sealed = run.truth(), run.audit(), run.sealed()
    happened = {
        (code, trade["chain_shares"], trade["price"], trade["shares"])
        for code, trades in truth.items()
        for trade in trades
    }
    assert len(sealed) == len(set(sealed)), "a trade is sealed twice"
    assert set(sealed) <= happened
    for code in CODES:
        line = lines[code]
        rows = [row for row in sealed if row[0] == code]
        assert line["recorded"]["trades"] == len(rows)
        assert line["recorded"]["shares"] == sum(row[3] for row in rows)
        for key, value in totals(truth[code]).items():
            if key == "trades" and code in except_trades_of:
                continue
            assert line["recorded"][key] + line["backfilled"][key] + line["residual"][key] == value
