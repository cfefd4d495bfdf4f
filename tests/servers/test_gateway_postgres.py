"""A whole gateway on PostgreSQL: charges committed there before the answer, in the outbox while it is away; keys from it."""

import json
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import CliRunner
from tests.servers.gateway_process import gateway_process
from tests.servers.postgres_process import PostgresProcess, postgres_process
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_settings import configured, new_key, ready
from tests.waiting import PATIENCE_S, waited

from veritape.apps.audit import audit
from veritape.apps.keys import keys
from veritape.apps.usage import usage

PATH = "/v1/completeness?day=20131007"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    (tmp_path / "redis").mkdir()
    with redis_process(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def postgres() -> Iterator[PostgresProcess]:
    with postgres_process() as server:
        yield server


def charged(url: str) -> int:
    with psycopg.connect(url) as connection:
        return int(
            connection.execute("SELECT count(*) FROM usage_event WHERE kind = 'charge'").fetchall()[0][0]
        )


def _has(url: str, charges: int) -> bool:
    return charged(url) == charges


def asked(client: httpx.Client) -> int:
    """Return the status of a call that was decided: one that found Redis late, on a busy machine, is neither served nor charged."""
    for _ in range(100):
        status = client.get(PATH).status_code
        if status != 503:
            break
    return status


def test_charges_are_in_the_database_before_the_answer(
    postgres: PostgresProcess, redis: RedisProcess, tmp_path: Path
) -> None:
    """GW-661, GW-685: with ``usage.commit = "ledger"``; killed, its charges wait in the outbox; back, all are there once."""
    url = postgres.database()
    more = f'[ledger]\nurl = "{url}"\n[usage]\ncommit = "ledger"\n'
    config = configured(tmp_path, redis, "one", more=more)
    key = new_key(config)
    with gateway_process(config) as gateway:
        ready(gateway, "exact")
        with httpx.Client(base_url=gateway.base, headers={"X-API-Key": key}, timeout=PATIENCE_S) as client:
            for number in range(1, 41):
                assert asked(client) == 404
                is_there = charged(url) == number
                waited(partial(_has, url, number))
                if is_there:  # a commit that took over 100 ms went by the outbox
                    break
            assert is_there
            postgres.kill()
            assert [asked(client) for _ in range(5)] == [404] * 5
            postgres.start()
        assert gateway.end(signal.SIGTERM)[0] == 0
    assert charged(url) == number + 5
    assert not (tmp_path / "one" / "usage.db").exists()
    answer = CliRunner().invoke(usage, ["reconcile", "--config", str(config)])
    assert (answer.exit_code, "no difference" in answer.output) == (0, True)


def reason(client: httpx.Client, key: str) -> str:
    """Return why a call with a key is refused; ``not_found`` is the route's own answer: nothing was recorded here."""
    return str(client.get(PATH, headers={"X-API-Key": key}).json()["reason"])


def test_keys_of_a_database_that_goes_and_comes(
    postgres: PostgresProcess, redis: RedisProcess, tmp_path: Path
) -> None:
    """GW-404, GW-418, GW-704: without its key store a gateway serves who it knows and answers 503 to the others; then all as before."""
    socket = tmp_path / "a.sock"
    config = configured(
        tmp_path, redis, "one", more=f'url = "{postgres.database()}"\n[listen]\nadmin = "{socket}"\n'
    )
    known, other = new_key(config), new_key(config)
    with gateway_process(config) as gateway:
        ready(gateway, "exact")
        with httpx.Client(base_url=gateway.base, timeout=PATIENCE_S) as client:
            assert reason(client, known) == "not_found"
            postgres.kill()
            assert [reason(client, known), reason(client, other), reason(client, known)] == [
                "not_found", "identity_unavailable", "not_found",
            ]  # fmt: skip
            postgres.start()
            waited(lambda: reason(client, other) == "not_found")
            assert [reason(client, known), reason(client, other)] == ["not_found"] * 2
            token = str(tmp_path / "one" / "admin-token")
            admin = ["--admin", f"unix:{socket}", "--admin-token", token]
            made = CliRunner().invoke(keys, [*admin, "create", "late", "--tier", "free"])
            assert reason(client, made.stdout.strip()) == "not_found"
        assert gateway.end(signal.SIGTERM)[0] == 0
    assert not (tmp_path / "one" / "keys.db").exists()
    checked = CliRunner().invoke(audit, ["--log", "--gateway", str(config), "--json"])
    assert (
        json.loads(checked.stdout)["records"] == 4
    )  # two keys by command; account and key by the API, after the return
