"""Identity joined for one worker."""

from pathlib import Path

import pytest
from tests.tokens import SECRET, WALL_S, hs256

from veritape.apps.credentials import open_credentials
from veritape.gateway.adapters.key_store import KeyStore
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.gateway.metrics import CACHE_HITS, CACHE_MISSES, METRICS
from veritape.gateway.policy import Policy
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.settings import GatewaySettings, TokenSettings
from veritape.gateway.tokens import TokenReason, TokenRefusedError
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import MisuseError
from veritape.telemetry import Registry

ISSUER = '[[jwt.issuer]]\nissuer = "https://id.example"\naudience = "veritape"\nalgorithm = "HS256"\n'


def policy(text: str = "") -> Policy:
    return read_policy(shipped_policy() + text.encode(), "policy.toml")


async def test_a_policy_and_its_issuers_change_together_or_not_at_all(tmp_path: Path) -> None:
    """GW-105, GW-431: an issuer without a key, and a policy that cannot be served, leave the old issuers."""
    secret, pepper = tmp_path / "secret", bytes(range(32))
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    settings = GatewaySettings(jwt=TokenSettings(secret_file=secret))
    clock, registry = ManualClock(wall_ns=WALL_S * 10**9), Registry(METRICS)
    store = KeyStore(SqliteKeys(tmp_path / "keys.db"), pepper)
    made = open_credentials(settings, policy(), store, registry, clock, print)
    swapped: list[Policy] = []

    def swap(following: Policy) -> None:
        if following.tiers.keys() < policy().tiers.keys():
            raise MisuseError("cannot be served")
        swapped.append(following)

    both, with_issuer = made.swapping(swap), policy(ISSUER)
    with pytest.raises(TokenRefusedError, match=TokenReason.WRONG_ISSUER):
        await made.tokens.verify(hs256(), policy())
    with pytest.raises(MisuseError, match="cannot be served"):
        both(with_issuer._replace(tiers={}))
    with pytest.raises(MisuseError, match="pem"):
        both(policy(ISSUER.replace("HS256", "RS256") + 'pem_file = "none.pem"\n'))
    with pytest.raises(TokenRefusedError, match=TokenReason.WRONG_ISSUER):
        await made.tokens.verify(hs256(), policy())
    both(with_issuer)
    for _ in range(2):
        assert (await made.tokens.verify(hs256(), with_issuer)).account == "acme"
    assert swapped == [with_issuer]
    assert [registry.values[registry.index(metric)] for metric in (CACHE_HITS, CACHE_MISSES)] == [1, 3]
    store.close()
