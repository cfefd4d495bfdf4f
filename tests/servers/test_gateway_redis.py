"""Several processes on one real Redis, and gateways that outlive it."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.servers.gateway_process import gateway_process, made_key
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_settings import configured, new_key, ready
from tests.waiting import PATIENCE_S, waited

from veritape.gateway.settings import StoreClient
from veritape.kernel.clock import NANOSECONDS, SystemClock

pytestmark = pytest.mark.usefixtures("whole_month")

PROGRAM = Path(__file__).parent / "programs" / "redis_charger.py"
PROCESSES, REQUESTS = 8, 250
CLOCK = SystemClock()
FREE, SLOW = "minute = { limit = 100, burst = 150 }", "minute = { limit = 1, burst = 150 }"
"""The shipped policy's free tier, and one that gives back a unit a minute: who asks slowly meets its end all the same."""
BURST, PER_MINUTE = 150, 1
"""Of that one."""
SLACK = 10
"""Most that the shares of two outages may have admitted beyond."""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    (tmp_path / "redis").mkdir()
    with redis_process(tmp_path / "redis") as server:
        yield server


def test_eight_processes_admit_the_budget_exactly(redis: RedisProcess) -> None:
    """GW-963: 2,000 concurrent requests from 8 processes on 400 units admit 400, and every remaining figure occurs once."""
    chargers = [
        subprocess.Popen(
            [sys.executable, PROGRAM, redis.url, f"b{n}", str(REQUESTS), "acme:live"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for n in range(PROCESSES)
    ]  # fmt: skip
    for charger in chargers:
        assert charger.stdout is not None
        assert charger.stdout.readline() == "ready\n"
    for charger in chargers:
        assert charger.stdin is not None
        charger.stdin.write("go\n")
        charger.stdin.flush()
    told = [json.loads(charger.communicate(timeout=PATIENCE_S)[0]) for charger in chargers]
    remaining = [left for one in told for left in one["remaining"]]
    assert sorted(remaining) == [1_000 * left for left in range(400)]
    assert sum(one["admitted"] > 0 for one in told) > 1


@pytest.mark.parametrize("client", list(StoreClient))
def test_a_gateway_outlives_its_redis(redis: RedisProcess, tmp_path: Path, client: StoreClient) -> None:
    """GW-349, GW-966, GW-261: by our client and by redis-py's: killed, paused and back again under requests: 200 and 429 only, and the month is what was answered."""
    config = configured(tmp_path, redis, "one", client=client)
    policy = tmp_path / "policy.toml"
    assert FREE in policy.read_text()
    policy.write_text(policy.read_text().replace(FREE, SLOW))
    key = made_key(config, "acme")
    with (
        gateway_process(config) as gateway,
        httpx.Client(base_url=gateway.base, headers={"X-API-Key": key}, timeout=PATIENCE_S) as caller,
    ):
        assert "store redis" in gateway.first
        seen: Counter[tuple[int, str]] = Counter()
        left = []

        def ask(times: int) -> None:
            for _ in range(times):
                answer = caller.get("/v1/completeness?day=20131007")
                seen[answer.status_code, answer.headers.get("quota-state", "exact")] += 1
                left.append(answer.headers["x-quota-monthly-remaining"])

        ready(gateway, "exact")
        began_ns = CLOCK.monotonic_ns()
        ask(20)
        redis.kill()
        ask(20)
        redis.start()
        ready(gateway, "exact")
        ask(20)
        redis.signal(signal.SIGSTOP)
        ask(20)
        redis.signal(signal.SIGCONT)
        ready(gateway, "exact")
        ask(120)
        passed_s = (CLOCK.monotonic_ns() - began_ns) / NANOSECONDS
        status, _ = gateway.end(signal.SIGTERM)
    assert status == 0
    assert {code for code, _ in seen} == {404, 429}
    assert seen[404, "local"] >= 30
    admitted = sum(count for (code, _), count in seen.items() if code == 404)
    assert left[-1] == str(50_000 - admitted)
    # A call whose answer came too late was charged by Redis and by the gateway: twice, never not at all.
    assert BURST - seen[404, "local"] <= admitted <= BURST + passed_s * PER_MINUTE / 60 + SLACK


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_answers_when_it_can_decide(redis: RedisProcess, tmp_path: Path, workers: int) -> None:
    """GW-341, GW-551: without its Redis a gateway serves as soon as it says so, by local shares: nobody meets a worker that still asks for its store."""
    config = configured(tmp_path, redis, "one", workers=workers)
    key = new_key(config)
    redis.kill()
    with gateway_process(config) as gateway:
        answers = [
            gateway.get("/v1/completeness?day=20131007", {"X-API-Key": key}) for _ in range(10 * workers)
        ]
        status, _ = gateway.end(signal.SIGTERM)
    assert status == 0
    told = {(answer.status_code, answer.headers.get("quota-state")) for answer in answers}
    assert told == {(404, "local")}


def test_an_operator_meets_no_worker_that_still_asks_for_its_store(
    redis: RedisProcess, tmp_path: Path
) -> None:
    """GW-341, GW-702: what an operator asks of the counters at the start waits, two seconds at most, as requests do."""
    socket, token = tmp_path / "admin.sock", tmp_path / "one" / "admin-token"
    config = configured(tmp_path, redis, "one", more=f'[listen]\nadmin = "{socket}"\n')
    redis.kill()
    with gateway_process(config) as gateway:
        waited(token.exists)
        transport, headers = httpx.HTTPTransport(uds=str(socket)), {"X-API-Key": token.read_text().strip()}
        with httpx.Client(
            transport=transport, base_url="http://admin/admin/v1", timeout=PATIENCE_S
        ) as operator:
            answer = operator.get("/state", headers=headers)
        assert gateway.end(signal.SIGTERM)[0] == 0
    assert answer.status_code == 200
    assert answer.json()["quota"] not in {"starting", "healthy"}
