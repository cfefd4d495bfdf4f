"""A PostgreSQL of the benchmark's own."""

import os
import pwd
from pathlib import Path

import psycopg
import pytest

from veritape.apps.bench import postgres_server as module
from veritape.apps.bench.postgres_server import postgres_server
from veritape.kernel.errors import UnavailableError


def test_it_syncs_and_ends() -> None:
    """GW-685: its commits are durable, and nothing of it is left."""
    with postgres_server() as url, psycopg.connect(url) as connection:
        assert connection.execute("SHOW fsync").fetchall() == [("on",)]
        assert connection.execute("SHOW synchronous_commit").fetchall() == [("on",)]
        folder = connection.execute("SHOW data_directory").fetchall()[0][0]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)
    assert not Path(folder).parent.exists()


def test_what_does_not_run_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6: no user to run as, a program that fails, one that ends at once: one line each."""
    binaries = tmp_path / "15" / "bin"
    binaries.mkdir(parents=True)
    for name, status in (("initdb", 3), ("postgres", 0)):
        (binaries / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (binaries / name).chmod(0o755)
    monkeypatch.setattr(module, "INSTALLED", tmp_path)
    monkeypatch.setattr(module, "_owner", lambda _folder: {})
    with pytest.raises(UnavailableError, match="initdb ended with 3"), postgres_server():
        pass
    (binaries / "initdb").write_text("#!/bin/sh\n")
    with pytest.raises(UnavailableError, match="PostgreSQL does not answer"), postgres_server():
        pass


def test_root_needs_the_package_s_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_name: str) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwnam", unknown)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    with pytest.raises(UnavailableError, match="no user postgres"):
        module._owner(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: 1_000)
    assert module._owner(tmp_path) == {}
