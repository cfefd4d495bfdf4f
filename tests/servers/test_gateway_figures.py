"""Every gateway family on the page of a real process, moved by requests, a Redis and its loss."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.ports import kept_port
from tests.servers.gateway_process import NO_TLS, gateway_process, made_key
from tests.servers.gateway_world import unguarded
from tests.servers.redis_process import RedisProcess, redis_process
from tests.waiting import PATIENCE_S, waited

from veritape.gateway.adapters.policy_file import shipped_policy

FAMILIES = [
    "rate_limiter_requests_total",
    "rate_limiter_requests_rejected_total",
    "rate_limiter_cache_hits_total",
    "rate_limiter_cache_misses_total",
    "rate_limiter_active_users_gauge",
    "rate_limiter_active_ips_gauge",
    "rate_limiter_rejection_rate_percent",
    "rate_limiter_cache_hit_ratio_percent",
    "rate_limiter_tier_users",
    "rate_limiter_tier_requests_total",
    "rate_limiter_tier_rejected_total",
    "rate_limiter_redis_connected",
    "rate_limiter_quota_storage_errors_total",
    "rate_limiter_lock_contention_ratio",
    "gateway_decisions_total",
    "gateway_decision_duration_seconds",
    "gateway_units_total",
    "gateway_problems_total",
    "gateway_quota_used_ratio",
    "gateway_http_requests_total",
    "gateway_http_request_duration_seconds",
    "gateway_overhead_seconds",
    "gateway_requests_in_flight",
    "gateway_upstream_healthy_targets",
    "gateway_upstream_requests_total",
    "gateway_upstream_duration_seconds",
    "gateway_store_reachable",
    "gateway_redis_operations_total",
    "gateway_redis_connections_active",
    "gateway_lease_balance_units",
    "gateway_leases_total",
    "gateway_degradation_state",
    "gateway_degradation_transitions_total",
    "gateway_overload_level",
    "gateway_outbox_commit_seconds",
    "gateway_ledger_lag_seconds",
    "gateway_ledger_events_total",
    "gateway_ledger_difference_units",
    "gateway_policy_info",
    "gateway_policy_reloads_total",
    "gateway_admin_request_duration_seconds",
    "gateway_rare_events_total",
]
"""TL-250's table."""


MOVED = {
    "rate_limiter_active_users_gauge": 1,
    'rate_limiter_tier_users{tier="pro"}': 1,
    "rate_limiter_redis_connected": 1,
    "gateway_redis_connections_active": 1,
    'gateway_policy_info{version="7"}': 1,
    **{
        f'veritape_ready_check{{check="{check}"}}': 1
        for check in ("policy_loaded", "key_store", "ledger", "counter_store", "upstreams")
    },
    'veritape_ready{part="gateway"}': 1,
    "gateway_admin_request_duration_seconds_count": 1,
    'gateway_problems_total{reason="no_route"}': 1,
    'gateway_store_reachable{store="keys"}': 1,
    'gateway_store_reachable{store="ledger"}': 1,
}
"""What the page shows beside the count of requests, after one without a route and an admin call, once it is drawn anew."""

RISEN = (
    'gateway_leases_total{event="granted"}',
    'gateway_redis_operations_total{operation="decide",status="ok"}',
)
"""Counters that are above 0 then."""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_process(folder) as process:
        yield process


@pytest.fixture
def port() -> Iterator[int]:
    with kept_port() as number:
        yield number


def shown(page: str) -> dict[str, float]:
    """Return the page's samples; none before the page is there, which is after the gateway's address."""
    try:
        text = httpx.get(page, verify=NO_TLS, timeout=PATIENCE_S).text
    except httpx.ConnectError:
        return {}
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def until(page: str, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """Read the page until something holds; return its samples."""
    seen: dict[str, float] = {}

    def look() -> bool:
        seen.clear()
        seen.update(shown(page))
        return bool(seen) and holds(seen)

    def said() -> object:
        ours = {name: value for name, value in seen.items() if name.startswith(("gateway", "rate")) and value}
        return {name: value for name, value in ours.items() if "bucket" not in name}

    waited(look, said)
    return seen


def test_every_family_follows_the_live_path(redis: RedisProcess, tmp_path: Path, port: int) -> None:
    """TL-250, TL-720, GW-771, GW-772, GW-773: requests, leases, store calls, the loss of Redis, an admin call, each seen on the page."""
    (tmp_path / "observed").mkdir()
    policy, config = tmp_path / "policy.toml", tmp_path / "gateway.toml"
    policy.write_bytes(unguarded(shipped_policy().replace(b'kind = "memory"', b'kind = "redis"')))
    config.write_text(
        f'policy = "{policy}"\ndata_dir = "{tmp_path / "data"}"\n[store]\nurl = "{redis.url}"\n[telemetry]\nlisten = "127.0.0.1:{port}"\n'
        f'[read]\nobserver_dir = "{tmp_path / "observed"}"\n[log]\naccess = false\n[listen]\nadmin = "{tmp_path / "a.sock"}"\n'
    )
    key = made_key(config, "acme", tier="pro")
    page = f"http://127.0.0.1:{port}/metrics"
    with (
        gateway_process(config) as gateway,
        httpx.Client(base_url=gateway.base, timeout=PATIENCE_S) as client,
    ):

        def ask(times: int) -> None:
            for _ in range(times):
                client.get("/v1/completeness?day=20131007", headers={"X-API-Key": key})

        asked = 20

        def has_moved(found: dict[str, float]) -> bool:
            nonlocal asked
            if not all(found[name] > 0 for name in RISEN):
                ask(2)  # a lease is for who asks twice within a tenth of a second
                asked += 2
            moved = MOVED | {"rate_limiter_requests_total": asked}
            return moved.items() <= found.items() and all(found[name] > 0 for name in RISEN)

        until(page, lambda found: found.get('gateway_degradation_state{state="healthy"}') == 1)
        ask(asked)
        client.get("/none")
        admin = httpx.HTTPTransport(uds=str(tmp_path / "a.sock"))
        with httpx.Client(transport=admin, base_url="http://admin/admin/v1", timeout=PATIENCE_S) as operator:
            operator.get("/state")
        until(page, has_moved)
        redis.kill()

        def is_lost(found: dict[str, float]) -> bool:
            ask(1)  # requests are the measure of health, once what is leased is used up
            local = found['gateway_degradation_transitions_total{state="local"}']
            return found["rate_limiter_redis_connected"] == 0 and local >= 1

        until(page, is_lost)
        types = {
            line.split()[2]
            for line in httpx.get(page, timeout=PATIENCE_S).text.splitlines()
            if line.startswith("# TYPE")
        }
        assert set(FAMILIES) - types == set()
        assert gateway.end(signal.SIGTERM)[0] == 0
