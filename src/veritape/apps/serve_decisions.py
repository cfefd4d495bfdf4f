"""Decisions for others in the gateway's processes: the decision listener, and the gRPC server of ``serve --rls`` (GW-611, GW-621)."""

import asyncio
import importlib
import signal
from collections.abc import Callable
from functools import partial
from socket import socket

import click

from veritape.gateway.adapters.admin_audit import AuditLog
from veritape.gateway.adapters.decision_api import DecisionApi
from veritape.gateway.adapters.decision_desk import Desk
from veritape.gateway.decision_calls import Reset
from veritape.gateway.keys import KeyRecord
from veritape.gateway.settings import GatewaySettings
from veritape.gateway.usage_metrics import RARE_EVENTS, LetThrough
from veritape.kernel.addresses import Address, parse_address
from veritape.kernel.errors import MisuseError
from veritape.kernel.listeners import bind
from veritape.telemetry import Registry
from veritape.telemetry.audit_log import AuditKind, Entry

RATE_LIMITS_PAGE = "127.0.0.1:9469"
"""Metrics page of ``serve --rls`` when none is configured: a gateway beside it has the other one."""


def for_rate_limits(settings: GatewaySettings) -> GatewaySettings:
    """Return the settings of a process that only serves Envoy."""
    telemetry = settings.telemetry
    if "listen" in telemetry.model_fields_set:
        return settings
    return settings.model_copy(
        update={"telemetry": telemetry.model_copy(update={"listen": RATE_LIMITS_PAGE})}
    )


def bind_decisions(settings: GatewaySettings, *, shared: bool) -> socket | None:
    """Return the bound listener of the decision API, None without an address.

    Raises:
        UnavailableError: the port is taken.
    """
    if not settings.listen.decisions:
        return None
    return bind(
        parse_address(settings.listen.decisions, "listen.decisions"),
        shared=shared,
        remedy="choose listen.decisions",
    )


def decision_api(desk: Desk, log: AuditLog) -> DecisionApi:
    """Return the decision API; each reset is in the audit log before it is done."""

    def note(caller: KeyRecord, reset: Reset) -> None:
        facts = {"environment": reset.environment.value, "limit": reset.limit.value if reset.limit else "all"}
        log.append(Entry(AuditKind.QUOTA_RESET, f"admin:{caller.id}", f"account:{reset.account}", facts))

    return DecisionApi(desk, note)


async def serve_rate_limits(
    desk: Desk, address: Address, settings: GatewaySettings, on_reload: Callable[[], None], registry: Registry,
    listening: Callable[[], None], *, shared: bool = False,
) -> None:  # fmt: skip
    """Serve Envoy's services until SIGINT or SIGTERM, and finish the calls in progress.

    Args:
        desk: decides.
        address: where they listen.
        settings: of the gateway.
        on_reload: called on SIGHUP.
        registry: counts what is let through.
        listening: called once calls are accepted.
        shared: other workers listen there too; their parent says so.

    Raises:
        MisuseError: the library is not installed.
        UnavailableError: the port is taken.
    """
    try:
        envoy = importlib.import_module("veritape.gateway.adapters.envoy.server")
    except ModuleNotFoundError as error:
        raise MisuseError(f"--rls needs the library {error.name!r}: install veritape[grpc]") from error
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, on_reload)
    count = partial(_count, registry)
    host = f"[{address.host}]" if ":" in address.host else address.host
    try:
        async with envoy.serving(desk, address, settings.drain_s, count, shared=shared) as port:
            listening()
            if not shared:
                click.echo(
                    f"rate limits for Envoy on {host}:{port}, policy version {desk.gate.policy.version}"
                )
            await ended.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)


def _count(registry: Registry, event: LetThrough) -> None:
    registry.add(RARE_EVENTS, event=event)
