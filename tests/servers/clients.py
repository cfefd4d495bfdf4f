"""Run the independent clients, unmodified, against a replay that answers for the broker's real names (mode E)."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.children import children_of
from tests.tape import CODES, bundled
from tests.waiting import PATIENCE_S

from veritape.replay.accounts import APPKEY, APPSECRET
from veritape.replay.series import SHIFT_MS

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
TRADES = 1_000
PREFIX = {"kis-agent": ("faketime", "-f", "@2026-11-20 10:00:00")}
"""kis-agent connects in trading hours only: its process gets a Friday morning in Seoul."""
EXTRA = {"kis-agent": {"no_proxy": "127.0.0.1", "TZ": "Asia/Seoul", "KIS_TOKEN_PATH": "token.json"}}
"""It takes addresses as arguments; what else it asks for by name meets the proxy. Its token stays in the test's folder."""


@dataclass
class Outcome:
    """What a client handed over, and what the truth file says."""

    rest: dict[str, Any]
    ticks: list[list[Any]]
    rejected: list[str]
    truth: list[dict[str, Any]] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.truth if record["kind"] == kind]

    def sent(self) -> dict[str, list[list[Any]]]:
        """Return code -> [code, price, ACML_VOL, ACML_TR_PBMN] of the trades that the broker sent, in its order."""
        frames = {frame["n"] for frame in self.of_kind("frame") if frame["fate"] == "sent"}
        trades: dict[str, list[list[Any]]] = {}
        for one in self.of_kind("trade"):
            if one["frame"] in frames:
                record = [one["code"], one["price"], one["chain_shares"], one["chain_value"]]
                trades.setdefault(one["code"], []).append(record)
        return trades


def by_code(ticks: list[list[Any]]) -> dict[str, list[list[Any]]]:
    """Return code -> ticks in order of arrival, numbers as integers."""
    grouped: dict[str, list[list[Any]]] = {}
    for code, *numbers in ticks:
        grouped.setdefault(code, []).append([code, *map(int, numbers)])
    return grouped


def write_tapes(folder: Path) -> list[str]:
    """Write the busiest thousand trades of each bundled symbol as tapes; return the --tape values."""
    arguments = []
    for code in CODES:
        trades = bundled(code).trades
        first = min(range(len(trades) - TRADES + 1), key=lambda i: trades[i + TRADES - 1].ms - trades[i].ms)
        path = folder / f"{code}.csv"
        path.write_text(
            "".join(f"{t.ms + SHIFT_MS},{t.price},{t.shares}\n" for t in trades[first : first + TRADES])
        )
        arguments.append(f"{path}:{code}")
    return arguments


def run(client: str, width: int, folder: Path, done: Callable[[Outcome], bool]) -> Outcome:
    """Play the tapes to one client until ``done``, which sees what it has handed over and the truth so far."""
    python = ROOT / ".tools" / "clients" / client / "bin" / "python"
    assert python.exists(), f"{python} is missing: run scripts/install-test-servers"
    truth, output, home = folder / "truth.jsonl", folder / "output.jsonl", folder / "home"
    home.mkdir()
    with _replay(folder, width, truth) as addresses:
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(home), "APPKEY": APPKEY, "APPSECRET": APPSECRET,
            "http_proxy": addresses["proxy"], "https_proxy": addresses["proxy"],
            "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"), **EXTRA.get(client, {"no_proxy": ""}),
            "REST_URL": addresses["REST"], "WEBSOCKET_URL": addresses["WebSocket"],
        }  # fmt: skip
        program = PROGRAMS / f"{client.replace('-', '_')}.py"
        with (
            (folder / "client.log").open("w") as log,
            subprocess.Popen(
                [*PREFIX.get(client, ()), python, "-P", program, output, *CODES],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=home, env=environment,
            ) as process,
        ):  # fmt: skip
            try:
                _wait(lambda: process.poll() is not None or done(_outcome(output, ())), folder)
            finally:
                _end(process)
    return _outcome(output, truth.read_text().splitlines())


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a client; one behind ``faketime``, which then removes what it shares and ends."""
    behind = children_of(process.pid)
    for child in behind:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    if not behind:
        process.kill()


def report_of_calls(calls: int, fault: str, folder: Path) -> tuple[int, dict[str, dict[str, int]]]:
    """Let python-kis make calls while a fault is on; return how many it got answered, and the broker's report of it."""
    python = ROOT / ".tools" / "clients" / "python-kis" / "bin" / "python"
    output, home = folder / "output.jsonl", folder / "home"
    home.mkdir()
    with _replay(folder, 46, folder / "truth.jsonl", "--fault", fault) as addresses:
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(home), "APPKEY": APPKEY, "APPSECRET": APPSECRET, "CALLS": str(calls),
            "http_proxy": addresses["proxy"], "https_proxy": addresses["proxy"], "no_proxy": "",
            "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"),
        }  # fmt: skip
        command: list[str | Path] = [python, "-P", PROGRAMS / "python_kis_calls.py", output, *CODES]
        ended = subprocess.run(
            command,
            cwd=home,
            env=environment,
            timeout=PATIENCE_S,
            check=False,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        with urllib.request.urlopen(f"{addresses['REST']}/replay/report", timeout=PATIENCE_S) as answer:  # noqa: S310 - our own address
            document = json.load(answer)
    return len(output.read_text().splitlines()), document["accounts"][APPKEY]


@contextlib.contextmanager
def _replay(folder: Path, width: int, truth: Path, *more: str) -> Iterator[dict[str, str]]:
    command: list[str | Path] = [
        Path(sys.executable).with_name("veritape"), "replay", "--rest-port", "0", "--websocket-port", "0",
        "--proxy-port", "0", "--ca-file", folder / "ca.pem", "--wire", f"trade={width}", "--speed", "max",
        "--wait-registered", "--fault", "no_pingpong", *more, "--truth", truth, *(part for tape in write_tapes(folder) for part in ("--tape", tape)),
    ]  # fmt: skip
    log = folder / "replay.log"
    with log.open("w") as target, subprocess.Popen(command, stdout=target, stderr=target) as process:
        try:
            _wait(lambda: process.poll() is not None or "appsecret" in log.read_text(), folder)
            yield dict(re.findall(r"^(proxy|REST|WebSocket) +(\S+)$", log.read_text(), re.MULTILINE))
        finally:
            process.terminate()
            assert process.wait(PATIENCE_S) == 0, log.read_text()


def _outcome(output: Path, truth: Any) -> Outcome:
    lines = output.read_text().splitlines(keepends=True) if output.exists() else []
    records = [json.loads(line) for line in lines if line.endswith("\n")]
    return Outcome(
        rest=next((record["rest"] for record in records if "rest" in record), {}),
        ticks=[record["tick"] for record in records if "tick" in record],
        rejected=[record["rejected"] for record in records if "rejected" in record],
        truth=[json.loads(line) for line in truth],
    )


def _wait(done: Callable[[], bool], folder: Path) -> None:
    deadline = time.perf_counter() + PATIENCE_S
    while not done():
        if time.perf_counter() > deadline:
            logs = "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in folder.glob("*.log"))
            raise TimeoutError(logs)
        os.sched_yield()
        time.sleep(0.05)
