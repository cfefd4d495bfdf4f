"""The second venue as processes: the captures' server, ``veritape record``, ``veritape audit``."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.binance import FIRST, Venue, trades
from tests.binance_server import BinanceServer, Faults, trade_places
from tests.scenario.recording_run import Process

from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.binance.lines import Totals

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server_port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Serve the first capture, moved to the present, without the places that are lost."""
    lost = ",".join(str(place) for place in request.param)
    command = [sys.executable, "-m", "tests.binance_server", "--days", FIRST, "--lost", lost]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().split()[-1])
        process.terminate()


def lost_places() -> list[int]:
    places = trade_places(BinanceServer(Venue(), Faults(), None, 0, FIRST))
    return [*places[100:130], *places[4_000:4_400:7]]


def configured(folder: Path, port: int) -> Path:
    path = folder / "record.toml"
    path.write_text(
        f'[observer]\ndata_dir = "{folder / "data"}"\nvenue = "BINANCE"\n[binance]\ncodes = ["BTCUSDT"]\n'
        f'rest_url = "http://127.0.0.1:{port}"\nstream_url = "ws://127.0.0.1:{port}"\n'
        '[backfill]\nafter_seconds = 1\n[journal]\nreserve_bytes = 0\n[telemetry]\nlisten = ""\n'
    )
    return path


def recorded(data: Path) -> tuple[int, int, int]:
    """Return how many trades are recorded, fetched and missing, over all days: from the files."""
    recording = BinanceRecording(data)
    recording.load()
    (symbol,) = recording.recorder.symbols.values()
    sums = [Totals(0, 0, 0), Totals(0, 0, 0)]
    for line in symbol.lines.values():
        sums = [sums[0].plus(line.recorded), sums[1].plus(line.backfilled)]
    return sums[0].trades, sums[1].trades, sum(hole.trades for hole in symbol.axis.holes())


def audited(data: Path, day: str) -> tuple[int, dict[str, Any]]:
    veritape = str(Path(sys.executable).with_name("veritape"))
    command = [veritape, "audit", "--data", str(data), "--venue", "BINANCE", "--day", day, "--json"]
    answer = subprocess.run(command, capture_output=True, check=False)
    return answer.returncode, json.loads(answer.stdout)


@pytest.mark.parametrize("server_port", [lost_places()], indirect=True)
def test_a_recorder_without_an_account_is_killed_goes_on_and_ends_complete(
    tmp_path: Path, server_port: int
) -> None:
    """OB-901, OB-902, OB-904, OB-971, OB-005: recorded, killed, started again, stopped by a signal; the audit closes."""
    data, path = tmp_path / "data", configured(tmp_path, server_port)
    first = Process(("record", "--config", str(path)), tmp_path / "first.log")
    try:
        while not list(data.glob("journal/BINANCE/*/*.vtj")):
            first.runs_on_for(0.05)
        first.runs_on_for(0.3)
    finally:
        first.send(signal.SIGKILL)
        first.wait()
    second = Process(("record", "--config", str(path)), tmp_path / "second.log")
    try:
        total = len(trades(FIRST))
        while sum(recorded(data)[:2]) < total - 1:
            second.runs_on_for(0.5)
        second.send(signal.SIGTERM)
        ended = second.wait()
    finally:
        second.end()
    assert (ended.status, recorded(data)[2]) == (0, 0)
    for day in BinanceRecording(data).days():
        status, document = audited(data, day)
        assert (status, document["closed"]) == (0, True)
        assert {line["status"] for line in document["lines"]} <= {"complete", "complete_backfilled"}
