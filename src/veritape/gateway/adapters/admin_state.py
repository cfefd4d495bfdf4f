"""What ``GET /state`` says: where decisions come from, what an outage may cost, the policy, the load (GW-344, GW-702)."""

from typing import Any

from veritape.gateway.adapters.admin_calls import AdminWorld
from veritape.gateway.admin import units_of
from veritape.gateway.degradation import over_admission_mu
from veritape.gateway.overload import FULL
from veritape.gateway.quota import MICROSECONDS


def state_document(world: AdminWorld) -> dict[str, Any]:
    """Return the state of this worker. The bound is that of an outage that cuts off every worker for the whole grace."""
    gate, gateway = world.gateway.gate, world.gateway
    policy = gate.policy
    facts = gate.store.facts({})
    outage_us = policy.store.grace_s * MICROSECONDS
    bounds = {
        tier.name: units_of(
            over_admission_mu(tier.limits.minute, facts.workers, facts.workers, facts.workers, outage_us)
        )
        for tier in policy.tiers.values()
        if policy.store.kind == "redis" and tier.limits.minute is not None
    }
    return {
        "quota": facts.state.value,
        "store": policy.store.kind,
        "workers": facts.workers,
        "entered": {state.value: count for state, count in facts.entered.items()},
        "beyond_bound_units": bounds,
        "grace_s": policy.store.grace_s,
        "policy": {
            "version": policy.version,
            "sha256": policy.sha256,
            "reloads": dict(world.policy_file.results),
        },
        "overload_level": gate.overload.level,
        "in_flight": gateway.in_flight,
        "in_flight_room": gate.overload.room.requests(policy.in_flight_max, FULL),
        "routes_left_out": list(gateway.table.left_out),
        "access_lines_dropped": world.lines_dropped(),
    }
