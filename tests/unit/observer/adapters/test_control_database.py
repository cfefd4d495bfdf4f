"""control.db on a real disk: durable, shared by processes, moved aside when corrupt, refused when newer."""

import errno
import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from veritape.kernel.errors import CheckFailedError, MisuseError, UnavailableError
from veritape.observer import control
from veritape.observer.adapters.control_database import ControlDatabase, open_control
from veritape.observer.control import OBSERVATIONS, SCHEMA, TABLES, WANTED, ControlReason


@pytest.fixture
def database(tmp_path: Path) -> Iterator[ControlDatabase]:
    one = ControlDatabase(tmp_path / "control.db")
    yield one
    one.close()


def observation(name: str = "registrations", day: str = "20131007", value: str = "41") -> dict[str, Any]:
    return {"name": name, "day": day, "value": value, "observed_ns": 7}


def wanted(*codes: str, day: str = "20131007") -> list[dict[str, Any]]:
    return [{"day": day, "priority": place, "code": code, "pinned": 0} for place, code in enumerate(codes)]


def test_it_is_in_wal_mode_and_every_commit_is_synced(database: ControlDatabase) -> None:
    """OB-561: SQLite, WAL, synchronous=FULL (2), with the schema's version."""
    asked = (
        database._writing.execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "synchronous")
    )
    assert [*asked] == [("wal",), (2,)]
    assert sqlite3.connect(database.path).execute("PRAGMA user_version").fetchone() == (SCHEMA,)


def test_rows_are_there_after_a_flush_in_the_order_of_the_key(database: ControlDatabase) -> None:
    database.put(OBSERVATIONS, observation(day="20131008"), observation())
    database.put(OBSERVATIONS, observation(value="40"))
    database.flush()
    assert database.rows(OBSERVATIONS) == [observation(value="40"), observation(day="20131008")]
    assert database.rows(OBSERVATIONS, day="20131008", name="registrations") == [observation(day="20131008")]
    database.delete(OBSERVATIONS, day="20131007")
    database.flush()
    assert database.rows(OBSERVATIONS) == [observation(day="20131008")]


def test_a_list_is_replaced_as_one_change(database: ControlDatabase) -> None:
    """OB-351: what is read is the old list or the new one."""
    database.replace(WANTED, wanted("A", "B", "C"), day="20131007")
    database.replace(WANTED, wanted("X", day="20131008"), day="20131008")
    database.flush()
    seen, stop = set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(tuple(row["code"] for row in database.rows(WANTED, day="20131007")))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        database.replace(WANTED, wanted("B", "D"), day="20131007")
        database.replace(WANTED, wanted("A", "B", "C"), day="20131007")
        database.flush()
    stop.set()
    reader.join()
    assert seen <= {("A", "B", "C"), ("B", "D")}
    assert [row["code"] for row in database.rows(WANTED, day="20131008")] == ["X"]


def test_two_processes_may_have_it_open(database: ControlDatabase) -> None:
    """OB-561: ``backup`` and ``audit`` beside the recorder; here two connections."""
    other = ControlDatabase(database.path)
    other.put(OBSERVATIONS, observation("other"))
    database.put(OBSERVATIONS, observation())
    other.flush()
    database.flush()
    assert other.rows(OBSERVATIONS) == database.rows(OBSERVATIONS)
    assert len(other.rows(OBSERVATIONS)) == 2
    other.close()


def test_a_row_of_another_shape_is_a_bug(database: ControlDatabase) -> None:
    with pytest.raises(TypeError, match="a row of observations has the columns name"):
        database.put(OBSERVATIONS, {"name": "x"})
    with pytest.raises(TypeError, match="wanted has no column colour"):
        database.rows(WANTED, colour=1)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """OB-991: exit 2, and the file stays as it is."""
    path = tmp_path / "control.db"
    ControlDatabase(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(MisuseError, match=f"schema {SCHEMA + 1}, this version knows {SCHEMA}") as caught:
        open_control(tmp_path, lambda _: None)
    assert (caught.value.exit_code, caught.value.reason) == (2, ControlReason.NEWER_SCHEMA)
    assert path.read_bytes() == before


def damage_header(content: bytearray) -> None:
    content[:100] = b"\0" * 50 + b"x" * 50


def damage_pages(content: bytearray) -> None:
    chance = random.Random(7)
    for place in range(4096, len(content)):
        content[place] = chance.randrange(256)


@pytest.mark.parametrize("damage", [damage_header, damage_pages])
def test_a_corrupt_one_is_moved_aside_and_rebuilt(tmp_path: Path, damage: Any) -> None:
    """OB-991: corrupt: moved aside, rebuilt; anyone but the recorder is told who rebuilds it."""
    path = tmp_path / "control.db"
    one = ControlDatabase(path)
    one.put(OBSERVATIONS, *(observation(f"n{number}") for number in range(500)))
    one.close()
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    with pytest.raises(CheckFailedError, match="start veritape record") as caught:
        ControlDatabase(path)
    assert caught.value.reason is ControlReason.CORRUPT
    rebuilt, moved = open_control(tmp_path, lambda empty: empty.put(OBSERVATIONS, observation()))
    assert rebuilt.rows(OBSERVATIONS) == [observation()]
    rebuilt.close()
    assert moved is not None
    assert moved == tmp_path / "quarantine" / "control.db.0"
    assert moved.read_bytes() == content


def test_a_missing_one_is_built_and_an_existing_one_is_kept(tmp_path: Path) -> None:
    """OB-561: rebuilt from seals and journal only when it is not there."""
    first, moved = open_control(tmp_path, lambda empty: empty.put(OBSERVATIONS, observation()))
    assert (first.rows(OBSERVATIONS), moved) == ([observation()], None)
    first.close()
    again, moved = open_control(tmp_path, lambda _: pytest.fail("rebuilt"))
    assert (again.rows(OBSERVATIONS), moved) == ([observation()], None)
    again.close()


def test_a_full_disk_is_told_at_the_next_call(tmp_path: Path) -> None:
    """OB-510: what cannot be written is an error of the disk, and nothing is believed to be stored."""
    one = ControlDatabase(tmp_path / "control.db")
    one._writing.execute("PRAGMA max_page_count = 20")
    one.put(OBSERVATIONS, *(observation(f"n{number}", value="x" * 4000) for number in range(100)))
    with pytest.raises(OSError, match="No space left") as caught:
        one.flush()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(one.path))
    assert one.rows(OBSERVATIONS) == []
    with pytest.raises(OSError, match="No space left"):
        one.put(OBSERVATIONS, observation())
    with pytest.raises(OSError, match="No space left"):
        one.close()


def test_a_folder_that_is_not_there_to_be_opened(tmp_path: Path) -> None:
    (tmp_path / "control.db").mkdir()
    with pytest.raises(UnavailableError, match="unable to open"):
        ControlDatabase(tmp_path / "control.db")


def test_a_database_that_stops_to_be_readable_is_unavailable(database: ControlDatabase) -> None:
    database._reading.execute("PRAGMA busy_timeout = 0")
    database._reading.execute("PRAGMA query_only = 1")
    database._reading.execute(f"ATTACH '{database.path}' AS again")
    sqlite3.connect(database.path).execute(f"DROP TABLE {WANTED.name}")
    with pytest.raises(UnavailableError, match="no such table"):
        database.rows(WANTED)


def test_every_table_takes_a_row(database: ControlDatabase) -> None:
    """OB-561: values come back as they went in; types are enforced."""
    values = {"TEXT": "x", "INTEGER": 2**62, "BLOB": b"\0\xff"}
    for table in TABLES:
        row = {column.split()[0]: values[column.split()[1]] for column in table.columns}
        database.put(table, row)
        database.flush()
        assert database.rows(table) == [row]


def test_a_value_of_another_type_is_refused(tmp_path: Path) -> None:
    one = ControlDatabase(tmp_path / "control.db")
    one.put(control.SLOTS, {"code": "A", "day": "20131007", "state": "active", "changed_ns": "soon"})
    with pytest.raises(UnavailableError, match="cannot store TEXT value in INTEGER column"):
        one.flush()
    with pytest.raises(UnavailableError):
        one.close()
