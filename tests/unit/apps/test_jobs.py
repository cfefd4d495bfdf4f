"""``veritape jobs serve``: starts, answers, ends with 0."""

import asyncio
import json
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.ports import kept_port
from tests.waiting import PATIENCE_S

from veritape.apps.jobs import serve
from veritape.kernel.errors import MisuseError, UnavailableError


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    with kept_port() as one, kept_port() as other:
        yield one, other


def ask(port: int, path: str, body: bytes | None = None) -> dict[str, object]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own address
        return dict(json.load(answer))


def text(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
        return str(answer.read())


async def test_the_service_takes_a_job_and_ends_at_sigterm(tmp_path: Path, ports: tuple[int, int]) -> None:
    """EX-591: a job over HTTP on a listener of its own, metrics beside it, exit 0 at SIGTERM."""
    port, metrics = ports
    config = tmp_path / "executor.toml"
    config.write_text(f'[executor]\npool = "thread"\n[executor.cache]\ndisk_path = "{tmp_path / "cache"}"\n')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "veritape", "jobs", "serve", "--config", str(config), "--listen", f"127.0.0.1:{port}",
        "--metrics", f"127.0.0.1:{metrics}", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert b"executed, not proven" in await process.stdout.readline()
        body = json.dumps({"program": "fibonacci", "input": "0a0000000000000001000000"}).encode()
        async with asyncio.timeout(PATIENCE_S):
            job = await asyncio.to_thread(ask, port, "/v1/jobs", body)
            while job["state"] != "done":
                job = await asyncio.to_thread(ask, port, f"/v1/jobs/{job['id']}")
            while (await asyncio.to_thread(ask, port, "/health"))["status"] != "healthy":
                await asyncio.sleep(0.05)
        assert "l2_receipts_total" in await asyncio.to_thread(text, metrics, "/metrics")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_an_address_is_needed_and_a_busy_port_is_named() -> None:
    """EX-661: http.listen empty is off; a busy port is one line, exit 1; no address at all, exit 2."""
    with pytest.raises(MisuseError, match=r"http\.listen is empty"):
        CliRunner().invoke(serve, [], standalone_mode=False, catch_exceptions=False)
    with pytest.raises(MisuseError, match="is no address"):
        CliRunner().invoke(serve, ["--listen", "127.0.0.1:x"], standalone_mode=False, catch_exceptions=False)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        where = f"127.0.0.1:{busy.getsockname()[1]}"
        with pytest.raises(
            UnavailableError, match=f"cannot listen on {where}: in use .*: choose another port: http.listen"
        ):
            CliRunner().invoke(serve, ["--listen", where], standalone_mode=False, catch_exceptions=False)
