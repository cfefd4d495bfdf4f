"""The parent of several workers, as a real process on a real Redis."""

import contextlib
import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from tests.children import children_of
from tests.ports import kept_port
from tests.servers.gateway_process import NO_TLS, GatewayProcess, gateway_process
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_settings import configured, new_key, ready
from tests.waiting import PATIENCE_S

from veritape.apps.serve import serve
from veritape.gateway.adapters.drainer import Drainer
from veritape.gateway.adapters.ledger import Ledger
from veritape.kernel.errors import MisuseError, UnavailableError

PATH = "/v1/completeness?day=20131007"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    (tmp_path / "redis").mkdir()
    with redis_process(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def page() -> Iterator[str]:
    with kept_port() as port:
        yield f"127.0.0.1:{port}"


def workers_of(gateway: GatewayProcess) -> list[int]:
    return children_of(gateway.process.pid)


def test_memory_counters_and_a_supervisor_need_one_worker(tmp_path: Path) -> None:
    """GW-551: ``memory_store_needs_one_worker`` at the start and in ``--check``, exit 2."""
    config = tmp_path / "gateway.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    for more in ([], ["--check"]):
        refused = CliRunner().invoke(serve, ["--config", str(config), "--workers", "2", *more]).exception
        assert isinstance(refused, MisuseError)
        assert "memory_store_needs_one_worker" in refused.message


def test_two_workers_share_port_quota_and_ledger(redis: RedisProcess, tmp_path: Path, page: str) -> None:
    """GW-551, GW-558, GW-664: a killed worker is replaced, both serve, SIGHUP reloads, every charge is in the ledger at the end."""
    config = configured(tmp_path, redis, "one", workers=2, metrics=page)
    key = new_key(config)
    with gateway_process(config) as gateway:
        assert "2 workers, policy version 7, store redis" in gateway.first
        ready(gateway, "exact")
        answered, headers = 0, {"X-API-Key": key}

        def ask(times: int) -> int:
            done = 0
            for _ in range(times):
                with contextlib.suppress(
                    httpx.TransportError
                ):  # a killed worker takes those at its door along
                    done += gateway.get(PATH, headers).status_code == 404
            return done

        answered += ask(20)
        first, second = workers_of(gateway)
        os.kill(first, signal.SIGKILL)
        while len(workers_of(gateway)) < 2 or first in workers_of(gateway):
            answered += ask(1) if second in workers_of(gateway) else 0
        policy = tmp_path / "policy.toml"
        policy.write_text(policy.read_text().replace("version = 7", "version = 8", 1))
        gateway.process.send_signal(signal.SIGHUP)
        answered += ask(20)
        for _ in range(600):
            shown = httpx.get(f"http://{page}/metrics", verify=NO_TLS, timeout=PATIENCE_S).text
            restarted = re.search(r'gateway_rare_events_total\{event="worker_restarted"\} 1\b', shown)
            drained = re.search(r'gateway_ledger_events_total\{result="drained"\} (\d+)', shown)
            if restarted and drained and int(drained[1]) >= answered:
                break
            time.sleep(0.1)  # vectors come four times a second
        else:
            raise AssertionError(shown)
        status, rest = gateway.end(signal.SIGTERM)
    assert status == 0, rest
    connection = sqlite3.connect(tmp_path / "one" / "usage.db")
    rows = connection.execute(
        "SELECT count(DISTINCT boot), count(*), max(policy_version) FROM usage_event"
    ).fetchall()
    closed = connection.execute(  # a repair of the counters has a boot of its own
        "SELECT min(closed) FROM outbox_mark WHERE boot IN (SELECT boot FROM usage_event WHERE kind = 'charge')"
    ).fetchall()
    connection.close()
    assert rows[0][0] >= 2
    assert rows[0][1] >= answered
    assert closed == [(1,)]
    assert list((tmp_path / "one" / "outbox").iterdir()) == []


def asked(gateway: GatewayProcess, key: str) -> int:
    """Return the status of one request, of whichever worker."""
    return gateway.get(PATH, {"X-API-Key": key}).status_code


def test_workers_end_with_their_parent(redis: RedisProcess, tmp_path: Path) -> None:
    """GW-551: a parent that is killed leaves no worker behind; what they made durable is drained afterwards."""
    config = configured(tmp_path, redis, "one", workers=2)
    key = new_key(config)
    with gateway_process(config) as gateway:
        ready(gateway, "exact")
        assert asked(gateway, key) == 404  # no worker accepts a connection before it can decide
        workers = workers_of(gateway)
        gateway.process.kill()
        gateway.process.wait()
        for worker in workers:
            while (
                Path(f"/proc/{worker}/stat").exists()
                and " Z " not in Path(f"/proc/{worker}/stat").read_text()
            ):
                time.sleep(0.02)
    ledger = Ledger(tmp_path / "one" / "usage.db")
    drained = Drainer(tmp_path / "one" / "outbox", ledger, print).drain()
    assert (drained.drained + drained.duplicates, drained.failure) == (1, None)
    ledger.close()
    assert list((tmp_path / "one" / "outbox").iterdir()) == []


def test_a_wrong_address_of_the_store_ends_the_gateway(redis: RedisProcess, tmp_path: Path) -> None:
    """GW-551, GW-706: exit 2 and no worker."""
    config = configured(tmp_path, redis, "one", workers=2)
    config.write_text(config.read_text().replace(redis.url, "http://nonsense"))
    with gateway_process(config) as gateway:
        assert (gateway.first, gateway.process.wait(PATIENCE_S)) == ("", 2)


def test_a_port_that_is_taken_is_said(redis: RedisProcess, tmp_path: Path) -> None:
    """GW-941: another gateway of several workers does not slip in beside."""
    one, two = (configured(tmp_path, redis, name, workers=2) for name in ("one", "two"))
    with gateway_process(one) as gateway:
        port = gateway.base.rpartition(":")[2]
        refused = CliRunner().invoke(serve, ["--config", str(two), "--port", port]).exception
    assert isinstance(refused, UnavailableError)
    assert ": choose --port, or stop it" in refused.message
