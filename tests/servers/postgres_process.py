"""A real PostgreSQL on a free port, for tests; never as root, never the machine's own."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from tests.children import children_of
from tests.ports import KeptPort
from tests.waiting import PATIENCE_S

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"))
"""The newest installed version."""


MEMORY = Path("/dev/shm")
"""A file system in memory: a server makes a thousand files, and finds them again after each kill."""

SETTINGS = (
    "-c",
    "max_connections=20",
    "-c",
    "fsync=off",
    "-c",
    "shared_buffers=16MB",
    "-c",
    "dynamic_shared_memory_type=mmap",
)
"""A killed process loses nothing that the kernel has, so its syncs would only cost time here; what it shares lies in its folder."""


class PostgresProcess:
    """A running server; it keeps what it has in a folder of its own."""

    def __init__(self) -> None:
        self.folder = Path(
            tempfile.mkdtemp(prefix="veritape-postgres-", dir=MEMORY if MEMORY.is_dir() else None)
        )
        self._user: dict[str, str | int] = {}
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self._user = {"user": owner.pw_uid, "group": owner.pw_gid}
        self._kept = KeptPort()
        self.port = self._kept.number
        self.process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._run("initdb", "--no-sync", "-A", "trust", "-U", "veritape", "-D", str(self.folder / "data"))

    def start(self) -> None:
        """Start it and wait until it answers; after a kill it recovers first."""
        place = ("-D", self.folder / "data", "-p", str(self.port), "-k", self.folder)
        log = self.folder / "log"
        for _ in range(240):
            if self.process is None or self.process.poll() is not None:
                with log.open("ab") as said:
                    self.process = subprocess.Popen(
                        [BINARIES / "postgres", *place, *SETTINGS],
                        stdout=said, stderr=said, cwd=self.folder, **self._user,  # type: ignore[call-overload]
                    )  # fmt: skip
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.25)  # each look costs the recovering server a process
            else:
                return
        raise AssertionError(f"postgres does not answer: {log.read_text()[-2_000:]}")

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://veritape@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """Return the address of a new, empty database."""
        self._databases += 1
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE d{self._databases}".encode())
        return self.url(f"d{self._databases}")

    def kill(self) -> None:
        """End the server and every process of it at once."""
        if self.process is None:
            return
        children = children_of(self.process.pid)
        self.process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def close(self) -> None:
        """End it and remove its folder; in order, since who is killed leaves the kernel its shared memory."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE_S)
        self.kill()
        self._kept.close()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [BINARIES / program, *arguments],
            check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self._user,  # type: ignore[call-overload]
        )  # fmt: skip


@contextmanager
def postgres_process() -> Iterator[PostgresProcess]:
    """Run a server; it is killed at the end."""
    server = PostgresProcess()
    try:
        server.start()
        yield server
    finally:
        server.close()
