"""A PostgreSQL of our own while a benchmark runs: a new folder, its syncs on, never the machine's own server."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from veritape.kernel.errors import UnavailableError

INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian has the binaries, a folder a version."""

TRIES = 200
"""Attempts to connect, a tenth of a second apart."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a PostgreSQL on a free port of the loopback; yield the address of its database.

    Raises:
        UnavailableError: there is none, it may not be run here, or it does not answer.
    """
    binaries = max(INSTALLED.glob("*/bin"), default=None)
    if binaries is None:
        raise UnavailableError("no PostgreSQL: install it (scripts/install-test-servers)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="veritape-bench-") as name:
        folder = Path(name)
        data = folder / "data"
        options: dict[str, Any] = {
            "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **_owner(folder)
        }  # fmt: skip
        create: list[str | Path] = [
            binaries / "initdb",
            "--no-sync",
            "-A",
            "trust",
            "-U",
            "veritape",
            "-D",
            data,
        ]
        made = subprocess.run(create, check=False, **options)  # noqa: S603 - the tests' own server
        if made.returncode:
            raise UnavailableError(f"initdb ended with {made.returncode}")
        command: list[str | Path] = [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder]
        process: subprocess.Popen[bytes] = subprocess.Popen(command, **options)  # noqa: S603 - the same
        try:
            url = f"postgresql://veritape@127.0.0.1:{port}/postgres"
            _wait(url, process)
            yield url
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(data, ignore_errors=True)


def _owner(folder: Path) -> dict[str, Any]:
    """Return as whom it runs: PostgreSQL refuses root, so root takes the user that the package made."""
    if os.getuid() != 0:
        return {}
    try:
        owner = pwd.getpwnam("postgres")
    except KeyError as error:
        raise UnavailableError("PostgreSQL does not run as root, and there is no user postgres") from error
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return {"user": owner.pw_uid, "group": owner.pw_gid}


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    waiting = threading.Event()
    for _ in range(TRIES):
        if process.poll() is not None:
            break
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            waiting.wait(0.1)
        else:
            return
    raise UnavailableError("PostgreSQL does not answer")
