"""Figures of the quota store."""

from veritape.gateway import store_metrics
from veritape.gateway.degradation import StoreState
from veritape.gateway.store_metrics import STORE_METRICS, StoreFacts, show_store
from veritape.gateway.usage_metrics import RARE_EVENTS
from veritape.telemetry import Registry


def test_figures_follow_what_the_store_counted() -> None:
    """TL-250, GW-772: one state is 1, counts never fall, units in place of mu."""
    registry = Registry((*STORE_METRICS, RARE_EVENTS), strict=True)
    show_store(
        registry,
        StoreFacts(
            StoreState.LOCAL, {StoreState.LOCAL: 2, StoreState.HEALTHY: 1}, connected=False,
            operations={("decide", "timeout"): 4}, leases={"granted": 3}, balances={"pro": 2_500},
            rare={"clock_step": 1},
        ),
    )  # fmt: skip
    states = {
        state: registry.value(store_metrics.DEGRADATION_STATE, state=state) for state in store_metrics.STATES
    }
    assert sum(states.values()) == states["local"] == 1
    assert registry.value(store_metrics.DEGRADATION_TRANSITIONS, state="local") == 2
    assert registry.value(store_metrics.REDIS_OPERATIONS, operation="decide", status="timeout") == 4
    assert registry.value(store_metrics.LEASES, event="granted") == 3
    assert registry.value(store_metrics.LEASE_BALANCE, tier="pro") == 2.5
    assert registry.value(store_metrics.REDIS_CONNECTED) == 0
    assert registry.value(RARE_EVENTS, event="clock_step") == 1


def test_without_redis_nothing_is_said_of_it() -> None:
    """TL-250: the connection's gauge is left out when no Redis is configured."""
    registry = Registry((*STORE_METRICS, RARE_EVENTS), strict=True)
    show_store(registry, StoreFacts(StoreState.HEALTHY))
    assert str(registry.value(store_metrics.REDIS_CONNECTED)) == "nan"
    assert registry.value(store_metrics.DEGRADATION_STATE, state="healthy") == 1
