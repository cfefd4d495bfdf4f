"""A gateway for each test, a PostgreSQL for all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.gateway_world import World
from tests.servers.postgres_process import PostgresProcess, postgres_process


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    with postgres_process() as server:
        yield server
