"""``veritape usage reconcile`` after random faults, and with a planted difference."""

import os
import random
import signal
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis as client
from click.testing import CliRunner
from tests.children import children_of
from tests.servers.gateway_process import GatewayProcess, gateway_process
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_settings import configured, new_key, ready
from tests.waiting import waited

from veritape.apps.usage import usage
from veritape.gateway.adapters.ledger import Ledger
from veritape.kernel.errors import VeritapeError

PATH = "/v1/completeness?day=20131007"
FAULTS = 40 if os.environ.get("VERITAPE_SOAK") == "1" else 3  # noqa: TID251 - the two sizes of one test


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    (tmp_path / "redis").mkdir()
    with redis_process(tmp_path / "redis") as server:
        yield server


def reconcile(config: Path, *more: str) -> tuple[int, str, str]:
    """Run the command in this process; return status, output and the one line of an error."""
    answer = CliRunner().invoke(usage, ["reconcile", "--config", str(config), *more])
    if isinstance(answer.exception, VeritapeError):
        return answer.exception.exit_code, answer.output, answer.exception.message
    assert answer.exception is None, answer.exception
    return answer.exit_code, answer.output, ""


def flood(gateway: GatewayProcess, key: str, times: int) -> int:
    """Ask with a connection each; return how many were charged for an answer."""
    charged = 0
    for _ in range(times):
        try:
            answer = gateway.get(PATH, {"X-API-Key": key})
        except httpx.TransportError:
            continue  # its worker was killed
        assert answer.status_code in {404, 503}, (
            answer.text
        )  # 503 of a worker that has not found the store yet
        charged += answer.status_code == 404
    return charged


@pytest.mark.usefixtures("whole_month")
def test_random_faults_leave_no_difference(redis: RedisProcess, tmp_path: Path) -> None:
    """GW-968, GW-673, GW-259, GW-671: workers killed, Redis killed and paused under requests: difference 0; a planted one is found, exit 1."""
    config, chance = configured(tmp_path, redis, "one", workers=2), random.Random(968)
    key = new_key(config)
    with gateway_process(config) as gateway:

        def kill_worker() -> None:
            parent = gateway.process.pid
            os.kill(chance.choice(children_of(parent)), signal.SIGKILL)
            while len(children_of(parent)) < 2:
                flood(gateway, key, 1)

        def kill_redis() -> None:
            redis.kill()
            flood(gateway, key, 10)
            redis.start()

        def pause_redis() -> None:
            redis.signal(signal.SIGSTOP)
            flood(gateway, key, 10)
            redis.signal(signal.SIGCONT)

        faults: list[Callable[[], None]] = [kill_worker, kill_redis, pause_redis]
        for number in range(FAULTS):
            flood(gateway, key, 10)
            faults[number % 3]()
            ready(gateway, "exact")
        while flood(gateway, key, 10) < 10:
            ready(gateway, "exact")
        assert reconcile(config) == (0, f"{month(redis)}: no difference\n", "")
        raw = client.Redis.from_url(redis.url)
        status, mended, found = 0, -1, ["", ""]
        while not status:  # a boot that is closed only now has the counter set right, which is told
            waited(partial(has_more_repairs, tmp_path, mended), lambda: "a planted difference was not found")
            mended = repairs(tmp_path)
            raw.hincrby(next(raw.scan_iter(match="vt1:*:q:*")), "t", 1_500)
            status, *found = reconcile(config)
        assert status == 1
        assert "difference 1.5" in found[0]
        assert found[1].endswith("1 subjects differ")
        assert gateway.end(signal.SIGTERM)[0] == 0
    assert reconcile(config)[0] == 0
    assert repairs(tmp_path)
    fields = raw.hgetall(next(raw.scan_iter(match="vt1:*:q:*")))
    assert set(fields) == {b"t", b"closed"}
    raw.close()


def repairs(folder: Path) -> int:
    """Return how many counters were set to what the ledger has; each is an event of the ledger."""
    connection = sqlite3.connect(folder / "one" / "usage.db")
    (count,) = connection.execute("SELECT count(*) FROM usage_event WHERE kind = 'reconciled'").fetchone()
    connection.close()
    return int(count)


def has_more_repairs(folder: Path, than: int) -> bool:
    """Tell whether counters were set since so many had been."""
    return repairs(folder) > than


def month(redis: RedisProcess) -> str:
    """Return the month that the store counts."""
    raw = client.Redis.from_url(redis.url)
    digits = str(next(raw.scan_iter(match="vt1:*:q:*")).decode()).rpartition(":")[2]
    raw.close()
    return f"{digits[:4]}-{digits[4:]}"


def test_a_ledger_alone_is_compared_with_itself(tmp_path: Path) -> None:
    """GW-673: with counters in memory a row removed behind its trigger is found; a month that is none is refused, a ledger that is none named."""
    config = tmp_path / "gateway.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n[telemetry]\nlisten = ""\n')
    why = f"no usage ledger {tmp_path / 'data' / 'usage.db'}: name the gateway's settings with --config; veritape serve makes it"
    assert reconcile(config) == (1, "", why)
    Ledger(tmp_path / "data" / "usage.db").close()
    assert reconcile(config, "--period", "2026-11") == (0, "2026-11: no difference\n", "")
    connection = sqlite3.connect(tmp_path / "data" / "usage.db")
    connection.execute(
        "INSERT INTO usage_month VALUES ('acme:live', '2026-11', x'3132333435363738', 1000, 1)"
    )
    connection.commit()
    connection.close()
    status, rows, _ = reconcile(config, "--period", "2026-11")
    assert (status, rows) == (1, "acme:live: counter 1, ledger 0, difference 1\n")
    assert reconcile(config, "--period", "now")[0] == 2
