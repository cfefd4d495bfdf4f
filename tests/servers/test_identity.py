"""Keys and tokens in four worker processes of one gateway, over real sockets."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.key_server import key_server
from tests.servers.gateway_process import gateway_process, printed
from tests.servers.postgres_process import postgres_process
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_settings import configured, ready
from tests.tokens import claims, jwk, key_set, rs256, rsa_key
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.key_finder import POLL_NS
from veritape.kernel.clock import NANOSECONDS, SystemClock

WORKERS, ROUND = 4, 24
"""A round of connections reaches all four workers: the kernel spreads them by port, and one left out is a case in 250."""

EFFECTIVE_NS = 2 * NANOSECONDS
"""After so long a change acts everywhere; who gets no processor looks later, as he does everything later."""

ASKED, SERVED = "/v1/completeness?day=20131007", (404, "not_found")
"""Nothing was recorded here: the route's own answer, after identity and quota."""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    (tmp_path / "redis").mkdir()
    with redis_process(tmp_path / "redis") as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def key_store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return what the settings' table ``keys`` says of where keys are."""
    if request.param == "sqlite":
        yield ""
        return
    with postgres_process() as server:
        yield f'url = "{server.database()}"\n'


def keys(config: Path, *arguments: str) -> str:
    """Run ``veritape keys`` and return what it printed."""
    return printed("keys", *arguments, "--config", config)


async def answers(base: str, headers: dict[str, str], times: int = ROUND) -> Counter[tuple[int, str]]:
    """Ask on a new connection each time; count status and reason."""
    seen: Counter[tuple[int, str]] = Counter()
    async with httpx.AsyncClient(
        base_url=base, headers=headers, limits=httpx.Limits(max_keepalive_connections=0), timeout=PATIENCE_S
    ) as client:
        for _ in range(times):
            answer = await client.get(ASKED)
            refused = answer.status_code >= 400
            seen[answer.status_code, answer.json()["reason"] if refused else ""] += 1
    return seen


async def refused(base: str, headers: dict[str, str], reason: str) -> None:
    """Wait until no worker serves any more: a whole round is refused."""
    clock = SystemClock()
    deadline_ns = clock.monotonic_ns() + PATIENCE_S * NANOSECONDS
    while (seen := await answers(base, headers)) != {(401, reason): ROUND}:
        assert set(seen) <= {SERVED, (401, reason)}, seen
        assert clock.monotonic_ns() < deadline_ns, seen


async def test_what_is_revoked_is_refused_by_four_workers_within_2_s(
    redis: RedisProcess, key_store: str, tmp_path: Path
) -> None:
    """GW-404, GW-418, GW-434, GW-970: a key and a token that all four workers remember; other credentials go on."""
    assert 2 * POLL_NS <= EFFECTIVE_NS
    now_s = SystemClock().wall_ns() // NANOSECONDS
    config = configured(tmp_path, redis, "one", workers=WORKERS, more=key_store)
    async with key_server(key_set(jwk(rsa_key("a"), "a"))) as published:
        issuer = (
            '[[jwt.issuer]]\nissuer = "https://id.example"\naudience = "veritape"\nalgorithm = "RS256"\n'
            f'scope_claim = "scope"\njwks_url = "{published.url}"\n'
        )
        with (tmp_path / "policy.toml").open("a") as policy:
            policy.write(issuer)
        key, other = (keys(config, "create", "acme", "--tier", "enterprise") for _ in range(2))
        identifier = keys(config, "list", "acme").split()[0]
        body = claims(iat=now_s, exp=now_s + 600, scope="completeness:read")
        token, other_token = (rs256("a", body | {"jti": jti}) for jti in ("j1", "j2"))
        credentials = [{"X-API-Key": one} for one in (key, other)]
        credentials += [{"Authorization": f"Bearer {one}"} for one in (token, other_token)]
        with gateway_process(config) as gateway:
            ready(gateway, "exact", WORKERS)
            for one in credentials:
                assert await answers(gateway.base, one) == {SERVED: ROUND}
            assert 1 <= len(published.asked) <= WORKERS

            assert f"{identifier} is revoked since" in keys(config, "revoke", identifier)
            await refused(gateway.base, credentials[0], "revoked_key")

            keys(config, "revoke-token", "j1", "--issuer", "https://id.example")
            await refused(gateway.base, credentials[2], "invalid_token")
            for one in (credentials[1], credentials[3]):
                assert await answers(gateway.base, one) == {SERVED: ROUND}
