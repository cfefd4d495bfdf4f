"""A gateway and a shared store that do not suit each other."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.servers.gateway_process import VERITAPE, gateway_process
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_settings import configured, ready
from tests.waiting import PATIENCE_S, waited


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    (tmp_path / "redis").mkdir()
    with redis_process(tmp_path / "redis") as made:
        yield made


def started(config: Path, *options: str) -> tuple[int, str, str]:
    """Start a gateway that is expected to end; return status, output and errors."""
    ended = subprocess.run(
        [VERITAPE, "serve", "--config", str(config), "--port", "0", *options],
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    return ended.returncode, ended.stdout, ended.stderr


def test_a_store_that_does_not_suit_ends_the_start(server: RedisProcess, tmp_path: Path) -> None:
    """GW-260, GW-941: other partitions, another layout, eviction: one line with the remedy, exit 1, nothing served or written."""
    config = configured(tmp_path, server, "one")
    meta = {"layout": "1", "partitions": "8", "epoch": "e" * 16}
    with redis.Redis(port=server.port) as asked:
        for workers, change, parameter, says in (
            ("1", {}, "noeviction", "partitions_differ: the store was begun with store.partitions = 8: set that in the policy"),
            ("2", {"layout": "2"}, "noeviction", "store_layout: the store holds another layout: use an empty database"),
            ("1", {"partitions": "64"}, "allkeys-lru", "redis_evicts: maxmemory-policy is allkeys-lru: set noeviction"),
        ):  # fmt: skip
            asked.hset("vt1:meta", mapping=meta | change)
            asked.config_set("maxmemory-policy", parameter)
            assert started(config, "--workers", workers) == (1, "", f"veritape: {says}\n")
            assert asked.keys() == [b"vt1:meta"]
            assert asked.hgetall("vt1:meta") == {
                name.encode(): value.encode() for name, value in (meta | change).items()
            }


def test_a_store_that_is_away_is_no_reason_not_to_serve(server: RedisProcess, tmp_path: Path) -> None:
    """GW-341, GW-259, GW-260: local shares serve; a store that evicts is not used, which is said once; one that suits is, and what its setting costs is said."""
    config = configured(tmp_path, server, "one")
    server.kill()
    with gateway_process(config) as gateway:
        ready(gateway, "local")
        server.start("--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
        with redis.Redis(port=server.port) as asked:
            waited(lambda: asked.info("commandstats").get("cmdstat_config|get", {"calls": 0})["calls"] >= 3)
            assert gateway.get("/ready").json()["quota"] == "local"
            asked.config_set("maxmemory-policy", "noeviction")
        ready(gateway, "exact")
        _, rest = gateway.end(signal.SIGTERM)
    assert (
        rest.count("quota store not used: redis_evicts: maxmemory-policy is allkeys-lru: set noeviction") == 1
    )
    assert rest.count("redis_forgets: appendonly is no") == 1
