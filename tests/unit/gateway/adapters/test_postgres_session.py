"""One connection that is bounded, given up and made anew; tables that go forward."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.servers.postgres_process import PostgresProcess

from veritape.gateway.adapters.postgres_session import (
    Connection,
    PostgresSession,
    PostgresTables,
    connection_parameters,
    migrate,
)
from veritape.gateway.tables import Tables
from veritape.kernel.errors import UnavailableError

WHO = "SELECT pg_backend_pid()"


@pytest.fixture
def url(postgres: PostgresProcess) -> str:
    return postgres.database()


@pytest.fixture
def session(url: str) -> Iterator[PostgresSession]:
    made = PostgresSession(connection_parameters(url, None, "keys"), lambda _: None)
    yield made
    made.close()


def who(session: PostgresSession) -> int:
    with session.asking("it fails", 20) as connection:
        return int(connection.execute(WHO).fetchall()[0][0])


def test_one_connection_serves_until_it_fails(session: PostgresSession) -> None:
    """GW-404: the same one again and again, within itself too; after any failure another, and the cause is told."""
    first = who(session)
    with session.asking("outer", 20):
        assert who(session) == first
    with (
        pytest.raises(UnavailableError, match=r"^it fails: division by zero$"),
        session.asking("it fails", 20) as one,
    ):
        one.execute("SELECT 1 / 0")
    assert who(session) != first


def test_a_caller_that_takes_too_long_loses_the_connection(session: PostgresSession) -> None:
    """GW-418: the limit holds though the server answers nothing; the next caller gets another connection."""
    first = who(session)
    with pytest.raises(UnavailableError, match="it fails"), session.asking("it fails", 0.2) as connection:
        connection.execute("SELECT pg_sleep(9)")
    assert who(session) != first


def test_a_connection_that_ended_unused_is_not_lent(session: PostgresSession, url: str) -> None:
    """GW-404: the administrator ends it; the next caller notices nothing."""
    first = who(session)
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", (first,))
    assert who(session) != first


def test_preparing_that_fails_leaves_no_connection(url: str) -> None:
    """GW-941: each caller tries it again."""
    tried: list[int] = []

    def refuse(_: Connection) -> None:
        tried.append(1)
        raise UnavailableError("newer")

    session = PostgresSession(connection_parameters(url, None, "keys"), refuse)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="newer"):
            who(session)
    assert tried == [1, 1]
    session.close()


def test_tables_go_forward_once(session: PostgresSession) -> None:
    """GW-685: each step once, none back; what a newer program made is left alone."""
    both = (("CREATE TABLE first(a INTEGER)",), ("CREATE TABLE second(a INTEGER)",))
    made = [
        PostgresTables(Tables("things", "things_version", both[:known]), "keys", "layout", 7)
        for known in (1, 2)
    ]
    with session.asking("it fails", 20) as connection:
        for kept in (made[0], made[0], made[1], made[1]):
            migrate(connection, kept)
        assert connection.execute("SELECT version FROM layout ORDER BY 1").fetchall() == [(1,), (2,)]
        with pytest.raises(UnavailableError, match="things_version: things is of version 2"):
            migrate(connection, made[0])


def test_a_password_comes_from_the_first_line_of_its_file(tmp_path: Path) -> None:
    """GW-706: never from the address."""
    secret = tmp_path / "password"
    secret.write_text("open sesame\nnot this\n")
    assert "password='open sesame'" in connection_parameters("postgresql://localhost/keys", secret, "keys")
