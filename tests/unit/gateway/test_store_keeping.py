"""How a Redis has to be set."""

import pytest

from veritape.gateway.store_keeping import what_it_forgets, why_it_evicts

DOCUMENTED = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec"}


def test_the_documented_setting_costs_nothing() -> None:
    """GW-259, GW-260: noeviction and a file that is synced each second, or always."""
    for synced in ("everysec", "always"):
        found = DOCUMENTED | {"appendfsync": synced}
        assert (why_it_evicts(found), what_it_forgets(found)) == (None, [])


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_eviction_is_refused(policy: str) -> None:
    """GW-260: the message names what is set and what to set."""
    assert why_it_evicts(DOCUMENTED | {"maxmemory-policy": policy}) == (
        f"redis_evicts: maxmemory-policy is {policy}: set noeviction"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"appendonly": "no"}, "a restart of Redis gives every subject a full burst again: set appendonly yes"),
        ({"appendfsync": "no"}, "a power loss gives back what was admitted in up to 30 s: set appendfsync everysec"),
    ],
)  # fmt: skip
def test_what_is_lost_is_said(change: dict[str, str], says: str) -> None:
    """GW-259: one line that says what a restart or a power loss costs, and the remedy."""
    (line,) = what_it_forgets(DOCUMENTED | change)
    assert line.startswith("redis_forgets: ")
    assert line.endswith(says)
