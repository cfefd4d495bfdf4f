"""Settings of gateways on a Redis, for tests of whole processes."""

import contextlib
import json
import time
from pathlib import Path

import httpx
from click.testing import CliRunner
from tests.servers.gateway_process import GatewayProcess
from tests.servers.redis_process import RedisProcess

from veritape.apps.keys import keys
from veritape.gateway.adapters.policy_file import shipped_policy


def configured(
    folder: Path,
    redis: RedisProcess,
    name: str,
    *,
    workers: int = 1,
    metrics: str = "",
    more: str = "",
    client: str = "own",
) -> Path:
    """Write settings and policy of a gateway on a Redis; return the settings file.

    Args:
        folder: for everything.
        redis: its store.
        name: of the gateway: settings file and data directory.
        workers: processes.
        metrics: address of the metrics page; none without.
        more: further TOML, tables only.
        client: whose client speaks to Redis.
    """
    (folder / "observed").mkdir(exist_ok=True)
    policy, pepper, config = folder / "policy.toml", folder / "pepper", folder / f"{name}.toml"
    shipped = shipped_policy().decode().replace('kind = "memory"', 'kind = "redis"')
    policy.write_text(shipped.replace("[ip]\n", "[ip]\nguard = { limit = 1000000, burst = 1000000 }\n"))
    pepper.write_bytes(bytes(range(32)))
    pepper.chmod(0o600)
    config.write_text(
        f'policy = "{policy}"\ndata_dir = "{folder / name}"\nworkers = {workers}\n[store]\nurl = "{redis.url}"\nclient = "{client}"\n'
        f'[read]\nobserver_dir = "{folder / "observed"}"\n[log]\naccess = false\n[telemetry]\nlisten = "{metrics}"\n'
        f'[keys]\npepper_file = "{pepper}"\n{more}'
    )
    return config


def new_key(config: Path, tier: str = "enterprise") -> str:
    """Make a key of an account named as its tier."""
    made = CliRunner().invoke(keys, ["create", tier, "--tier", tier, "--config", str(config)])
    assert made.exception is None, made.exception
    return made.stdout.strip()


def ready(gateway: GatewayProcess, quota: str, workers: int = 1) -> None:
    """Wait until the gateway says where its decisions come from; of several workers, which the kernel draws, so often in a row."""
    said, row = "", 0
    for _ in range(1_200):
        with contextlib.suppress(
            httpx.TransportError
        ):  # a killed worker takes those who wait at its door along
            said = gateway.get("/ready").text
            row = row + 1 if json.loads(said)["quota"] == quota else 0
        if row == (1 if workers == 1 else 10 * workers):
            return
        if not row:
            time.sleep(0.05)  # the gateway needs the processor more than the question
    raise AssertionError(said)
