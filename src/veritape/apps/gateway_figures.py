"""The gateway's gauges: looked at each second, because nothing happens when they change (TL-250)."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from veritape.gateway.adapters.application import Gateway
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.metrics import CACHE_HITS, CACHE_MISSES
from veritape.gateway.process_metrics import show_process
from veritape.gateway.readiness import checks
from veritape.gateway.store_metrics import STORE_REACHABLE, show_store
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError
from veritape.telemetry import Registry
from veritape.telemetry.metrics import READY_CHECK

PROBE_S: Final = 5
"""Seconds between two probes of keys and ledger."""

Probe = Callable[[], object]
"""Reads something small; raises UnavailableError when it cannot."""


def show(registry: Registry, gateway: Gateway, policy_file: PolicyFile, clock: Clock) -> None:
    """Put the gauges at what is true now."""
    gate = gateway.gate
    gate.activity.show(
        registry,
        registry.value(CACHE_HITS),
        registry.value(CACHE_MISSES),
        clock.monotonic_ns() // 1_000,
    )
    tiers = {tier.limits: tier.name for tier in gate.policy.tiers.values()}
    show_store(registry, gate.store.facts(tiers))
    show_process(registry, gateway.in_flight, gate.overload.level, gate.policy.version, policy_file.results)


def show_readiness(registry: Registry, gateway: Gateway) -> None:
    """Show which checks of readiness pass."""
    found = checks(
        key_store=registry.value(STORE_REACHABLE, store="keys") == 1,
        ledger=gateway.gate.can_charge(),
        store=gateway.gate.store.state,
        healthy_targets=gateway.upstreams.healthy_targets(),
    )
    for check, passes in found.items():
        registry.set(READY_CHECK, float(passes), check=check)


async def show_figures(
    registry: Registry, gateway: Gateway, policy_file: PolicyFile, probes: Mapping[str, Probe], clock: Clock
) -> None:
    """Show the gauges each second and probe keys and ledger each five, until cancelled."""
    second = 0
    while True:
        show(registry, gateway, policy_file, clock)
        if second % PROBE_S == 0:
            for store, probe in probes.items():
                registry.set(STORE_REACHABLE, float(await _answers(probe)), store=store)
        show_readiness(registry, gateway)
        second += 1
        await clock.sleep_until(clock.monotonic_ns() + NANOSECONDS)


async def _answers(probe: Probe) -> bool:
    try:
        await asyncio.to_thread(probe)
    except UnavailableError:
        return False
    return True
