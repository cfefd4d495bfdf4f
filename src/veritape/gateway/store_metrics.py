"""Figures of the quota store, its leases and its degradation (TL-250)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from veritape.gateway.closed_labels import known_values
from veritape.gateway.degradation import StoreState
from veritape.gateway.quota import MU
from veritape.gateway.usage_metrics import RARE_EVENTS
from veritape.telemetry.metric import OTHER, Merge, Metric, MetricType
from veritape.telemetry.registry import Registry

STATES: Final = tuple(state.value for state in StoreState)
OPERATIONS: Final = ("decide", "lease", "refund", "month", "admin")
"""Kinds of calls to Redis."""
STATUSES: Final = ("ok", "timeout", "error", "reloaded")
"""How a call ended; ``reloaded``: the script was sent again."""
LEASE_EVENTS: Final = ("granted", "refused", "returned", "expired", "failed")
"""What became of a lease."""
LEASE_TIERS: Final = ("free", "pro", "enterprise", "partner", "anonymous", OTHER)

REDIS_CONNECTED: Final = Metric(
    "rate_limiter_redis_connected", MetricType.GAUGE, "Whether the worker has its connection to Redis.",
    "each second", merge=Merge.MIN,
)  # fmt: skip
REDIS_CONNECTIONS: Final = Metric(
    "gateway_redis_connections_active", MetricType.GAUGE, "Connections to Redis.", "each second", merge=Merge.SUM,
    start=0.0,
)  # fmt: skip
REDIS_OPERATIONS: Final = Metric(
    "gateway_redis_operations_total", MetricType.COUNTER, "Calls to Redis by kind and end.", "a call ended",
    labels=(("operation", OPERATIONS), ("status", STATUSES)),
)  # fmt: skip
LEASES: Final = Metric(
    "gateway_leases_total", MetricType.COUNTER, "What became of leases.", "a lease was asked for, ended or failed",
    labels=(("event", LEASE_EVENTS),),
)  # fmt: skip
LEASE_BALANCE: Final = Metric(
    "gateway_lease_balance_units", MetricType.GAUGE, "Units that the worker leased and did not spend.", "each second",
    unit="units of quota", labels=(("tier", LEASE_TIERS),), merge=Merge.SUM, start=0.0,
)  # fmt: skip
DEGRADATION_STATE: Final = Metric(
    "gateway_degradation_state", MetricType.GAUGE, "1 for the state that a worker is in.", "the state changed",
    labels=(("state", STATES),), merge=Merge.MAX, start=0.0,
)  # fmt: skip
DEGRADATION_TRANSITIONS: Final = Metric(
    "gateway_degradation_transitions_total", MetricType.COUNTER, "States entered.", "a state was entered",
    labels=(("state", STATES),),
)  # fmt: skip
STORE_REACHABLE: Final = Metric(
    "gateway_store_reachable", MetricType.GAUGE, "Whether keys and ledger answer.", "each 5 s",
    labels=(("store", ("keys", "ledger")),), merge=Merge.MIN,
)  # fmt: skip

STORE_METRICS: Final = (
    REDIS_CONNECTED, REDIS_CONNECTIONS, REDIS_OPERATIONS, LEASES, LEASE_BALANCE, DEGRADATION_STATE,
    DEGRADATION_TRANSITIONS, STORE_REACHABLE,
)  # fmt: skip
"""Families of the stores, in vector order."""


class StoreFacts(NamedTuple):
    """What a quota store has counted since its start."""

    state: StoreState
    entered: Mapping[StoreState, int] = {}
    """State -> how often it was entered."""
    connected: bool | None = None
    """Whether Redis is connected; None without Redis."""
    operations: Mapping[tuple[str, str], int] = {}
    """(kind, end) -> calls."""
    leases: Mapping[str, int] = {}
    """What became of leases."""
    balances: Mapping[str, int] = {}
    """Tier -> mu leased and unspent."""
    rare: Mapping[str, int] = {}
    """Rare events."""
    workers: int = 1
    """Workers that share the store."""


def show_store(registry: Registry, facts: StoreFacts) -> None:
    """Put the figures at what the store has counted."""
    for state in StoreState:
        registry.set(DEGRADATION_STATE, float(state is facts.state), state=state.value)
        _put(registry, DEGRADATION_TRANSITIONS, facts.entered.get(state, 0), state=state.value)
    for event, count in facts.rare.items():
        _put(registry, RARE_EVENTS, count, event=event)
    if facts.connected is None:
        return
    registry.set(REDIS_CONNECTED, float(facts.connected))
    registry.set(REDIS_CONNECTIONS, float(facts.connected))
    for (operation, status), count in facts.operations.items():
        _put(registry, REDIS_OPERATIONS, count, operation=operation, status=status)
    for event, count in facts.leases.items():
        _put(registry, LEASES, count, event=event)
    for tier in known_values(registry, LEASE_BALANCE, "tier"):
        registry.set(LEASE_BALANCE, facts.balances.get(tier, 0) / MU, tier=tier)


def _put(registry: Registry, metric: Metric, count: int, **labels: str) -> None:
    """Bring a count to what its source says, which never falls."""
    registry.values[registry.index(metric, **labels)] = float(count)
