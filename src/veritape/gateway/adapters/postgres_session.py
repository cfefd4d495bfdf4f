"""A connection to PostgreSQL that a store keeps for itself: made when it is needed, bounded, given up after any failure.

Its calls block, so they belong into a thread. None lasts longer than the limit, even when the server is stopped and says
nothing: then the socket is shut down under the call, which fails as if the server had gone.
"""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import psycopg

from veritape.gateway.adapters.password_file import read_password
from veritape.gateway.tables import Tables
from veritape.kernel.errors import MisuseError, UnavailableError

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
"""A connection whose rows are tuples."""

CONNECT_S: Final = 2
"""Seconds to connect."""

SESSION: Final = "-c statement_timeout=10000 -c lock_timeout=5000 -c synchronous_commit=on -c timezone=UTC"
"""Options of every session: no statement runs longer than 10 s, and committed means durable."""


class PostgresTables(NamedTuple):
    """Tables in PostgreSQL, and who may change them."""

    tables: Tables
    setting: str
    """Table of the settings that names the database, for messages."""
    versions: str
    """Table with the versions that were reached."""
    turn: int
    """Advisory lock of who changes anything that must not be changed by two."""


class PostgresSession:
    """One connection, lent to one caller at a time; who has it may take it again."""

    def __init__(self, parameters: str, prepare: Callable[[Connection], None]) -> None:
        """Name the database; it is connected to when it is needed.

        Args:
            parameters: of ``connection_parameters``.
            prepare: brings tables to the present version, on every new connection.
        """
        self._parameters, self._prepare = parameters, prepare
        self._connection: Connection | None = None
        self._is_lent = False
        self._turn = threading.RLock()

    @contextlib.contextmanager
    def asking(self, failure: str, limit_s: float) -> Iterator[Connection]:
        """Lend the connection; after a failure the next caller gets another.

        Args:
            failure: what cannot be done then, as "the usage ledger cannot be read".
            limit_s: seconds that the caller may have it.

        Raises:
            UnavailableError: the database fails, refuses, or takes too long.
        """
        with self._turn:
            if self._is_lent and self._connection is not None:
                yield self._connection
                return
            self._is_lent = True
            try:
                connection = self._living() or self._connect(limit_s)
                with _bounded(connection, limit_s):
                    yield connection
            except psycopg.Error as error:
                self._give_up()
                cause = str(error).partition("\n")[0]
                raise UnavailableError(f"{failure}: {cause}") from error
            finally:
                self._is_lent = False

    def close(self) -> None:
        """Let the connection go."""
        with self._turn:
            self._give_up()

    def _living(self) -> Connection | None:
        """Return the connection unless the server ended it while nobody used it."""
        if self._connection is not None and _is_readable(self._connection.fileno()):
            self._give_up()
        return self._connection

    def _connect(self, limit_s: float) -> Connection:
        self._connection = psycopg.connect(self._parameters, autocommit=True)
        try:
            with _bounded(self._connection, limit_s):
                self._prepare(self._connection)
        except BaseException:
            self._give_up()
            raise
        return self._connection

    def _give_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def open_session(
    url: str,
    password_file: Path | None,
    kept: PostgresTables,
    also: Callable[[Connection], object] = lambda _: None,
) -> PostgresSession:
    """Return a session on a store's tables, which every new connection brings to the present version.

    Args:
        url: ``postgresql://user@host:port/database``.
        password_file: its first line is the password.
        kept: the tables.
        also: done on every new connection after that.

    Raises:
        MisuseError: the password cannot be read, or the address is none.
    """

    def prepare(connection: Connection) -> None:
        migrate(connection, kept)
        also(connection)

    return PostgresSession(connection_parameters(url, password_file, kept.setting), prepare)


def connection_parameters(url: str, password_file: Path | None, setting: str) -> str:
    """Return what to connect with.

    Args:
        url: ``postgresql://user@host:port/database``.
        password_file: its first line is the password.
        setting: table of the settings that say so, for messages.

    Raises:
        MisuseError: the password cannot be read, or the address is none.
    """
    password = read_password(password_file, setting)
    try:
        return psycopg.conninfo.make_conninfo(
            url, password=password, connect_timeout=CONNECT_S, options=SESSION, tcp_user_timeout=10_000,
            application_name="veritape",
        )  # fmt: skip
    except psycopg.ProgrammingError as error:
        raise MisuseError(f"{setting}.url is no address as postgresql://user@host:5432/database") from error


def migrate(connection: Connection, kept: PostgresTables) -> None:
    """Bring tables to the present version, forward only; concurrent starts wait for each other.

    Args:
        connection: in autocommit.
        kept: the tables.

    Raises:
        UnavailableError: they are of a newer program; nothing was changed.
    """
    if not kept.tables.missing(_reached(connection, kept.versions)):
        return
    with connection.transaction():
        take_turn(connection, kept.turn)
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {kept.versions}(version INTEGER PRIMARY KEY)".encode()
        )
        for version, statements in kept.tables.missing(_reached(connection, kept.versions)):
            for statement in statements:
                connection.execute(statement.encode())
            connection.execute(f"INSERT INTO {kept.versions} VALUES (%s)".encode(), (version,))  # noqa: S608 - a constant


def take_turn(connection: Connection, turn: int) -> None:
    """Wait for whoever has an advisory lock, on whichever machine; the transaction has it until its end."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (turn,))


def translated(query: str) -> bytes:
    """Return a query that SQLite understands too, where ``?`` stands for a value, as PostgreSQL's client wants it."""
    return query.replace("?", "%s").encode()


def _reached(connection: Connection, versions: str) -> int:
    """Return the version of the tables, 0 when there are none; without a lock, so that nobody waits who has nothing to do."""
    if connection.execute("SELECT to_regclass(%s)", (versions,)).fetchall() == [(None,)]:
        return 0
    query = f"SELECT coalesce(max(version), 0) FROM {versions}"  # noqa: S608 - a constant
    version: int = connection.execute(query.encode()).fetchall()[0][0]
    return version


@contextlib.contextmanager
def _bounded(connection: Connection, limit_s: float) -> Iterator[None]:
    """Shut the connection's socket down unless the context ends in time."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        limit = threading.Timer(limit_s, _cut, (line,))
        limit.daemon = True
        limit.start()
        try:
            yield
        finally:
            limit.cancel()
            limit.join()


def _cut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it ended at that moment
        line.shutdown(socket.SHUT_RDWR)


def _is_readable(descriptor: int) -> bool:
    """Tell whether an idle connection has something to read: it was not asked, so it is the end."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
