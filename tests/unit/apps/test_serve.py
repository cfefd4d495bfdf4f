"""``veritape serve``: settings, checks, the process and its end."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.gateway_process import VERITAPE, GatewayProcess, gateway_process
from tests.usage import BOOT, charges
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.ledger import SqliteReader
from veritape.gateway.outbox import encode_groups, file_header, file_name
from veritape.gateway.settings import GatewaySettings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(f'data_dir = "{tmp_path / "data"}"\ntelemetry = {{ listen = "" }}\n')
    return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [VERITAPE, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


@pytest.fixture
def served(config: Path) -> Iterator[GatewayProcess]:
    with gateway_process(config) as process:
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_ends_with_0_when_nobody_is_to_be_waited_for(
    served: GatewayProcess, number: int
) -> None:
    """GW-558, GW-773: health answers, the access log is JSON, Ctrl-C and SIGTERM end with 0 long before ``drain_s``."""
    assert "policy version 7" in served.first
    assert served.get("/health").json() == {"status": "ok"}
    assert served.get("/docs").status_code == 200
    started = time.monotonic()  # noqa: TID251 - a real process ends in real time
    status, rest = served.end(number)
    assert status == 0
    assert time.monotonic() - started < GatewaySettings().drain_s  # noqa: TID251 - as above
    lines = [json.loads(line) for line in rest.splitlines() if line.startswith("{")]
    assert [(line["route"], line["status"]) for line in lines] == [("builtin", 200), ("builtin", 200)]


def test_a_busy_port_and_a_locked_ledger_end_with_1(config: Path, served: GatewayProcess) -> None:
    """GW-941: one line each, exit 1."""
    served.get("/health")
    port = served.base.rpartition(":")[2]
    busy = run("serve", "--config", str(config), "--port", port)
    assert (busy.returncode, busy.stderr.count("\n")) == (1, 1)
    assert (
        f"cannot listen on 127.0.0.1:{port}: in use by another program, perhaps another veritape: choose --port, or stop it"
        in busy.stderr
    )
    locked = run("serve", "--config", str(config), "--port", "0")
    assert (locked.returncode, "ledger_locked" in locked.stderr) == (1, True)


def test_check_only_validates(config: Path, tmp_path: Path) -> None:
    """GW-103: exit 0, and nothing is made; exit 2 with every error."""
    good = run("serve", "--check", "--config", str(config))
    assert (good.returncode, "policy version 7 is valid" in good.stdout) == (0, True)
    assert not (tmp_path / "data").exists()
    policy = tmp_path / "policy.toml"
    policy.write_text("version = 1\nengine = 2\n")
    config.write_text(f'policy = "{policy}"\n')
    bad = run("serve", "--check", "--config", str(config))
    assert bad.returncode == 2
    assert f"{policy}:2: engine: engine_unsupported: 1" in bad.stderr
    assert "tiers: missing_key" in bad.stderr


@pytest.mark.parametrize(
    ("text", "named"),
    [("portt = 1", "unknown key 'portt'"), ('listen = { public = "x" }', "listen.public"), ("[", "not TOML")],
)
def test_a_bad_key_is_named_and_ends_with_2(config: Path, text: str, named: str) -> None:
    """GW-706: one line that names the key."""
    config.write_text(text)
    answer = run("serve", "--config", str(config))
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert named in answer.stderr
    assert run("serve", "--config", f"{config}.none").returncode == 2


def test_a_damaged_outbox_is_put_aside_and_the_start_goes_on(config: Path, tmp_path: Path) -> None:
    """GW-941: groups before the damage are in the ledger, the file is kept as ``.bad``, one line tells it."""
    folder = tmp_path / "data" / "outbox"
    folder.mkdir(parents=True, mode=0o700)
    groups = [bytearray(next(encode_groups(charges(1, first=number)))) for number in (1, 2, 3)]
    groups[1][-1] ^= 1
    (folder / file_name(BOOT, 0)).write_bytes(file_header(BOOT) + b"".join(groups))
    process = subprocess.Popen(
        [VERITAPE, "serve", "--config", config, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    gateway = GatewayProcess(process)
    assert gateway.get("/health").status_code == 200
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert said.count("outbox_bad: ") == 1
    assert [path.name for path in folder.iterdir()] == [f"{file_name(BOOT, 0)}.bad"]
    assert SqliteReader(tmp_path / "data" / "usage.db").month_sums("2026-11") == {"acme:live": 2_000}
