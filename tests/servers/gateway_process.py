"""A real ``veritape serve`` on a free port, for tests of whole processes."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.waiting import PATIENCE_S

VERITAPE = str(Path(sys.executable).with_name("veritape"))

PATIENT = {"VERITAPE_GATEWAY_OVERLOAD__LAG_MS": "60000"}
"""A gateway that a busy machine keeps waiting sheds requests, as it should, but not where other things are tested."""

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain HTTP: without it each new client reads the machine's certificates, ten times the work of a request."""


def printed(*words: str | Path) -> str:
    """Run a command of the product to its end and return what it printed; one that fails shows why."""
    done = subprocess.run([VERITAPE, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout.strip()


def made_key(config: Path, account: str, *options: str, tier: str = "free") -> str:
    """Make an account's key by the command."""
    return printed("keys", "create", account, "--tier", tier, *options, "--config", config)


class GatewayProcess:
    """A running gateway."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        self.first = next((line for line in lines if line.startswith("gateway on ")), "")
        """The line that says where it serves; empty when it ended before."""
        self.base = self.first.split()[2].rstrip(",") if self.first else ""
        """Its address."""

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """Ask over a connection of its own: with several workers the kernel picks one."""
        return httpx.get(self.base + path, headers=headers, timeout=PATIENCE_S, verify=NO_TLS)

    def end(self, number: int) -> tuple[int, str]:
        """Signal it; return exit status and the rest of its output."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, rest


@contextmanager
def gateway_process(config: Path, *program: str) -> Iterator[GatewayProcess]:
    """Run a gateway, or a program that begins like ours; it is killed at the end if it still lives."""
    process = subprocess.Popen(
        [*(program or (VERITAPE,)), "serve", "--config", str(config), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **PATIENT},  # noqa: TID251 - a child's
    )
    try:
        yield GatewayProcess(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
