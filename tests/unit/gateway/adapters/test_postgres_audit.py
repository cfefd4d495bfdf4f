"""The audit log in a real PostgreSQL: one chain of several writers, append-only, every planted edit found."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.servers.postgres_process import PostgresProcess

from veritape.gateway.adapters.admin_audit import AuditLog, audit_page
from veritape.gateway.adapters.postgres_audit import PAGE, PostgresAudit
from veritape.kernel.clock import ManualClock, SystemClock
from veritape.kernel.errors import CheckFailedError, UnavailableError
from veritape.telemetry.adapters.audit_files import AuditFiles
from veritape.telemetry.audit_log import START, AuditKind, Entry

CREATED_NS = 1_795_219_200_000_000_000
ENTRIES = (
    Entry(AuditKind.KEY_CREATED, "cli:root", "key:k_7Q2M", {"tier": "free"}),
    Entry(AuditKind.KEY_REVOKED, "cli:root", "key:k_7Q2M", {}),
)


@pytest.fixture
def url(postgres: PostgresProcess) -> str:
    return postgres.database()


@pytest.fixture
def log(url: str) -> Iterator[PostgresAudit]:
    made = PostgresAudit(url, None, SystemClock())
    yield made
    made.close()


@pytest.fixture(params=["files", "postgres"])
def either(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[AuditLog]:
    if request.param == "files":
        yield AuditFiles(tmp_path, SystemClock())
        return
    made = PostgresAudit(request.getfixturevalue("postgres").database(), None, SystemClock())
    yield made
    made.close()


def test_the_chain_of_the_specification(url: str) -> None:
    """GW-704, TL-665: the worked example, byte for byte what the file would hold."""
    clock = ManualClock(wall_ns=CREATED_NS, monotonic_ns=0)
    log = PostgresAudit(url, None, clock)
    log.append(ENTRIES[0])
    clock.advance_ns(10**9)
    head = log.append(ENTRIES[1])
    assert head.digest.hex() == "5960c2beb926c767f9da31703cd1b2aa71e9cd37d3eaa6a6aec0838a8ec1808d"
    first, second = log.lines()
    assert first == (
        b'{"actor":"cli:root","at_ns":1795219200000000000,"detail":{"tier":"free"},"kind":"key_created","seq":1,'
        b'"subject":"key:k_7Q2M","hash":"07a4ead480b8e861bb963a6ac1001bfda316e4b81c03d62fa04b24ef198ddb44"}\n'
    )
    assert list(log.lines(1)) == [second]
    assert log.verify() == head
    log.close()


def test_files_and_table_say_the_same(either: AuditLog) -> None:
    """GW-704: pages and check of both; an empty log is whole."""
    assert either.verify() == START
    assert list(either.lines()) == []
    texts = ["plain", "한글", "a\0b", 'quote " back\\slash']
    head = either.append(*(Entry(AuditKind.CONFIG_LOADED, "test", text, {"text": text}) for text in texts))
    found = audit_page(either, 1, 2, verified=True)
    assert [item["subject"] for item in found["items"]] == texts[1:3]
    assert found["chain"] == {"whole": True, "records": 4, "head": head.digest.hex()}
    assert either.verify() == head


def test_writers_at_once_make_one_chain(url: str) -> None:
    """GW-704, TL-660: four machines append at the same time; every record is there once and follows the one before."""

    def write(name: str) -> None:
        mine = PostgresAudit(url, None, SystemClock())
        for number in range(20):
            mine.append(Entry(AuditKind.CONFIG_LOADED, name, str(number), {}), ENTRIES[1])
        mine.close()

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    log = PostgresAudit(url, None, SystemClock())
    assert log.verify().seq == 160
    log.close()


def test_more_records_than_a_page_are_read(log: PostgresAudit) -> None:
    """GW-704: none is left out where one page ends and the next begins."""
    log.append(*[ENTRIES[1]] * (PAGE + 1))
    assert len(list(log.lines())) == PAGE + 1
    assert len(list(log.lines(1))) == PAGE
    assert log.verify().seq == PAGE + 1


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_record SET seq = seq + 1", "DELETE FROM audit_record", "TRUNCATE audit_record"],
)
def test_the_table_refuses_change_and_removal(log: PostgresAudit, url: str, statement: str) -> None:
    """GW-704: append-only by triggers."""
    log.append(*ENTRIES)
    with psycopg.connect(url) as connection, pytest.raises(psycopg.Error, match="append-only"):
        connection.execute(statement.encode())
    assert log.verify().seq == 2


@pytest.mark.parametrize(
    ("edit", "told"),
    [("UPDATE audit_record SET line = set_byte(line, 10, get_byte(line, 10) # 1) WHERE seq = 2", "line 2: its hash"),
     ("DELETE FROM audit_record WHERE seq = 2", "line 2: its hash"),
     ("UPDATE audit_record SET seq = 5 - seq WHERE seq IN (2, 3)", "line 2: its hash"),
     ("UPDATE audit_record SET line = '\\x00' WHERE seq = 1", "line 1: no complete record")],
)  # fmt: skip
def test_a_planted_edit_is_found(log: PostgresAudit, url: str, edit: str, told: str) -> None:
    """GW-977, TL-668: behind the triggers: changed, removed, reordered, replaced; the check names the record."""
    log.append(*ENTRIES, *ENTRIES)
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        if "5 - seq" in edit:
            connection.execute("UPDATE audit_record SET seq = -seq WHERE seq IN (2, 3)")
            edit = "UPDATE audit_record SET seq = 5 + seq WHERE seq < 0"
        connection.execute(edit.encode())
    with pytest.raises(CheckFailedError, match=f"table audit_record: {told}"):
        log.verify()
    chain = audit_page(log, 0, 9, verified=True)["chain"]
    assert (chain["whole"], told in chain["detail"]) == (False, True)


def test_a_damaged_end_and_a_server_that_is_gone_refuse(
    postgres: PostgresProcess, log: PostgresAudit, url: str
) -> None:
    """GW-704: what cannot be recorded is refused; back again, the chain goes on."""
    log.append(*ENTRIES)
    postgres.kill()
    with pytest.raises(UnavailableError, match="the audit log cannot be written: "):
        log.append(ENTRIES[0])
    with pytest.raises(UnavailableError, match="the audit log cannot be read: "):
        list(log.lines())
    postgres.start()
    assert log.append(ENTRIES[0]).seq == 3
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE audit_record SET line = 'torn' WHERE seq = 3")
    with pytest.raises(UnavailableError, match="its last record: no complete record"):
        log.append(ENTRIES[0])


def test_a_newer_log_is_refused(log: PostgresAudit, url: str) -> None:
    """GW-941: nothing is written to a table of a newer program."""
    log.append(ENTRIES[0])
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO audit_layout VALUES (9)")
    newer = PostgresAudit(url, None, SystemClock())
    with pytest.raises(
        UnavailableError, match="audit_version: the audit log is of version 9, written by a newer"
    ):
        newer.append(ENTRIES[0])
    newer.close()
    assert log.verify().seq == 1
