"""The version of a ledger's file, for who opens it."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.usage_reader import sqlite_usage
from veritape.gateway.adapters.usage_tables import TABLES, missing_steps
from veritape.kernel.errors import UnavailableError


def test_readers_and_the_writer_ask_the_same(tmp_path: Path) -> None:
    """GW-685, GW-941: a present file lacks nothing; an older one is the writer's to bring forward; a newer one is nobody's here."""
    path = tmp_path / "usage.db"
    Ledger(path).close()
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert missing_steps(file, path) == []
        file.execute(f"PRAGMA user_version = {TABLES.version - 1}")
        assert [version for version, _ in missing_steps(file, path)] == [TABLES.version]
        with (
            pytest.raises(UnavailableError, match="older program: start the gateway once"),
            sqlite_usage(path),
        ):
            pass
        file.execute(f"PRAGMA user_version = {TABLES.version + 1}")
        with (
            pytest.raises(UnavailableError, match=r"ledger_version: .* written by a newer veritape"),
            sqlite_usage(path),
        ):
            pass
