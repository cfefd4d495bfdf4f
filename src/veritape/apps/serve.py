"""``veritape serve``: the gateway's process."""

import asyncio
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from socket import socket
from types import ModuleType
from typing import Any, NamedTuple

import click
import uvloop

from veritape.apps.admin_listener import admin_api, bind_admin, shown_address
from veritape.apps.audit_trail import opened_audit
from veritape.apps.console import create_console, figures_from_page, tables_from_readers
from veritape.apps.credentials import open_credentials, trusted_issuers
from veritape.apps.garbage import seldom_collected
from veritape.apps.gateway_figures import Probe, show_figures
from veritape.apps.key_access import open_keys
from veritape.apps.metering import Metering, drained_ledger, worker_metering
from veritape.apps.part_metrics import shown_metrics
from veritape.apps.request_log import RequestLog, watch_overload
from veritape.apps.serve_decisions import bind_decisions, decision_api, for_rate_limits, serve_rate_limits
from veritape.apps.serve_workers import check_workers, serve_workers
from veritape.apps.settings_file import settings_bytes
from veritape.apps.store_agreement import check_store
from veritape.apps.supervisor import end_with_parent
from veritape.apps.workers import tell_ready
from veritape.gateway.adapters.application import Gateway
from veritape.gateway.adapters.client import Application
from veritape.gateway.adapters.decision_desk import Desk
from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.front_door import FrontDoor
from veritape.gateway.adapters.gate import Gate, restored_store
from veritape.gateway.adapters.key_database import beside
from veritape.gateway.adapters.key_store import KeyStore
from veritape.gateway.adapters.line_writer import LineWriter
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.adapters.redis_links import open_link, store_address
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.server import serve as serve_http
from veritape.gateway.adapters.server import serve_beside
from veritape.gateway.adapters.stores import ProcessStore, Store
from veritape.gateway.adapters.upstream_router import Upstreams
from veritape.gateway.closed_labels import closed_metrics
from veritape.gateway.cursors import cursor_key
from veritape.gateway.metrics import METRICS, DecisionFigures
from veritape.gateway.overload import Overload
from veritape.gateway.policy import Policy
from veritape.gateway.product.pages import Sources
from veritape.gateway.route_table import left_out_lines
from veritape.gateway.settings import GatewaySettings
from veritape.gateway.upstream_metrics import RegistryFigures
from veritape.kernel.addresses import Address, parse_address
from veritape.kernel.clock import NANOSECONDS, Clock, SystemClock
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.kernel.listeners import bind
from veritape.kernel.settings import load_settings
from veritape.telemetry import Registry
from veritape.telemetry.metrics import part_metrics

PART = "gateway"
"""The part's name on the metrics page."""

PREFIX = "VERITAPE_GATEWAY"
"""What the environment's variables begin with."""

WRITE_NS = 10 * NANOSECONDS
"""How often counted refusals and the last use of keys are written."""

EARLIEST_NS, LATEST_NS = 1_577_836_800 * NANOSECONDS, 8_993_462_400 * NANOSECONDS
"""2020 and 2255: a clock outside cannot be right (GW-941)."""


@click.command("serve")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file, TOML.")
@click.option("--host", help="Address in place of the configured one.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Port in place of the configured one; 0 takes a free one."
)
@click.option("--check", is_flag=True, help="Only validate settings and policy.")
@click.option(
    "--rls", is_flag=True, help="Only decide for Envoy: its rate-limit service and ext_authz over gRPC."
)
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes that share the port; several need Redis."
)
@click.option(
    "--worker", type=int, hidden=True, help="Descriptor through which a worker tells that it serves."
)
def serve(
    config: Path | None,
    host: str | None,
    port: int | None,
    check: bool,
    rls: bool,
    workers: int | None,
    worker: int | None,
) -> None:
    """Serve the record under keys, tiers and quotas until Ctrl-C or SIGTERM."""
    settings = gateway_settings(config)
    settings = settings.model_copy(update={"workers": workers or settings.workers})
    if rls:
        settings = for_rate_limits(settings)
    policy_file = PolicyFile(settings.policy)
    policy = policy_file.read()
    if worker is None:
        check_workers(settings, policy)
    else:
        end_with_parent()
    listen = settings.listen
    address = parse_address(
        listen.rate_limits if rls else listen.public, "listen.rate_limits" if rls else "listen.public"
    )
    address = address._replace(host=host or address.host, port=address.port if port is None else port)
    if check:
        trusted_issuers(settings, policy)
        store_address(settings.store)
        click.echo(f"policy version {policy.version} is valid (sha256 {policy.sha256})")
        return
    clock = SystemClock()
    if not EARLIEST_NS <= clock.wall_ns() <= LATEST_NS:
        raise UnavailableError("clock_implausible: the wall clock is before 2020 or after 2255: set it")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if worker is None:
            runner.run(check_store(settings, policy))
        if settings.workers > 1 and worker is None:
            open_keys(settings)[0].close()  # one process makes what is not there yet
            arguments, registry = (
                _arguments(config, address, rls=rls),
                Registry((*part_metrics(PART), *METRICS)),
            )
            served = "rate limits for Envoy on " if rls else "gateway on http://"
            runner.run(serve_workers(settings, policy, arguments, address, registry, PART, clock, served))
            return
        decisions = bind_decisions(settings, shared=worker is not None)
        if rls:
            runner.run(
                _run(settings, policy_file, policy, Listeners(address, None, decisions), clock, worker)
            )
            return
        alone = worker is None  # a worker listens when it can answer: until then the others are asked
        with contextlib.closing(bind(address, shared=not alone, listening=alone)) as listener:
            admin = bind_admin(settings.listen.admin, any_port=not address.port, shared=worker is not None)
            runner.run(
                _run(settings, policy_file, policy, Listeners(listener, admin, decisions), clock, worker)
            )


def _arguments(config: Path | None, address: Address, *, rls: bool) -> list[str]:
    """Return what every worker is started with; what it changes in the settings stays in the environment."""
    chosen = ("--config", str(config)) if config else ()
    return ["--host", address.host, *chosen, *(("--rls",) if rls else ())]


def gateway_settings(config: Path | None) -> GatewaySettings:
    """Return the settings of a file, or the defaults, with the environment laid over.

    Raises:
        MisuseError: the file cannot be read or a key is wrong.
    """
    environment = dict(os.environ)  # noqa: TID251 - apps read the environment
    return load_settings(
        GatewaySettings, settings_bytes(config), environment, PREFIX, str(config or "defaults")
    )


async def _run(
    settings: GatewaySettings, policy_file: PolicyFile, policy: Policy, listeners: "Listeners", clock: Clock, worker: int | None
) -> None:  # fmt: skip
    key_store, pepper = open_keys(settings)
    families = METRICS if settings.telemetry.descriptor is not None else closed_metrics(METRICS, policy)
    registry = Registry((*part_metrics(PART), *families))
    async with contextlib.AsyncExitStack() as stack:
        lines = stack.enter_context(contextlib.closing(LineWriter(sys.stdout.fileno())))
        stack.enter_context(contextlib.closing(key_store))
        draining = []
        if worker is None:
            draining.append(
                await stack.enter_async_context(drained_ledger(settings, policy, registry, clock))
            )
        metering = stack.enter_context(worker_metering(settings, registry, clock))
        store, watching = open_store(settings, policy, metering, clock, lines.put)
        credentials = open_credentials(settings, policy, key_store, registry, clock, lines.put)
        gate = Gate(
            policy,
            store,
            metering.commit,
            credentials.keys,
            clock,
            metering.events,
            on_failure=settings.usage.on_failure,
            durable=lambda: not metering.commit.failed,
            tokens=credentials.tokens,
            legacy=settings.headers.legacy,
            overload=Overload(settings.overload.lag_ms * 1_000),
        )
        read = sources(settings, pepper, clock)
        gateway = Gateway(
            gate,
            read,
            RequestLog(registry, lines, gate.overload, enabled=settings.log.access),
            console=console(settings, read, clock),
            upstreams=Upstreams(policy, clock, RegistryFigures(registry), lines.put),
        )
        gateway.upstreams.start()
        stack.callback(gateway.upstreams.close)
        if isinstance(listeners.public, socket) and worker is None:
            name = listeners.public.getsockname()
            click.echo(
                f"gateway on http://{name[0]}:{name[1]}, policy version {policy.version}, store {policy.store.kind}"
            )
            for line in left_out_lines(gateway.table):
                click.echo(line)
        audit = stack.enter_context(opened_audit(settings, clock))
        api = stack.enter_context(
            admin_api(
                settings, gateway, audit, policy_file, lines, registry, clock, lambda: key_store.peppers
            )
        )
        if listeners.admin is not None:
            watching.append(_once_begun(store, serve_beside(api, listeners.admin)))
            lines.put(f"admin API on {shown_address(listeners.admin)}")
        desk = Desk(gate, credentials.keys, DecisionFigures(registry).note)
        if listeners.decisions is not None:
            watching.append(_once_begun(store, serve_beside(decision_api(desk, audit), listeners.decisions)))
            lines.put(f"decisions on {shown_address(listeners.decisions)}")
        stack.enter_context(seldom_collected())
        async with asyncio.TaskGroup() as tasks:
            work = (
                policy_file.watch(policy, clock, credentials.swapping(gateway.swap), lines.put),
                _write_often(gate, key_store, clock),
                credentials.keys.watch(),
                metering.probe(),
                *(one.run() for one in draining),
                watch_overload(gateway, clock),
                show_figures(registry, gateway, policy_file, probes(key_store, metering), clock),
                *watching,
            )
            background = [tasks.create_task(one) for one in work]
            shown = settings.telemetry
            async with shown_metrics(PART, registry, shown.listen, shown.descriptor, clock):
                ready = partial(_tell_ready, worker)
                if isinstance(listeners.public, socket):
                    await serve_http(
                        gateway, listeners.public, settings.drain_s, policy_file.asked.set, door=FrontDoor(gateway),
                        drain_delay_s=settings.drain_delay_s, on_drain=gateway.drain, begun=store.begun, listening=ready,
                    )  # fmt: skip
                else:
                    await store.begun()
                    await serve_rate_limits(
                        desk, listeners.public, settings, policy_file.asked.set, registry, ready,
                        shared=worker is not None,
                    )  # fmt: skip
            for task in reversed(background):  # each ends while what it stands on still runs
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await _write(gate, key_store, everything=True)


def _tell_ready(worker: int | None) -> None:
    """Tell the parent of a worker that it listens, and decides or knows that the store is away (GW-341, GW-551)."""
    if worker is not None:
        tell_ready(worker)


async def _once_begun(store: Store, work: Coroutine[Any, Any, None]) -> None:
    """Do what needs decisions from when there are some."""
    with contextlib.closing(work):
        await store.begun()
        await work


class Listeners(NamedTuple):
    """Where a worker listens; bound before its loop begins."""

    public: socket | Address
    """Of the API; with ``--rls`` the address of the services for Envoy, which bind it themselves."""
    admin: socket | None
    decisions: socket | None


def probes(key_store: KeyStore, metering: Metering) -> dict[str, Probe]:
    """Return what tells whether keys and ledger answer: one look-up that finds nothing."""
    return {
        "keys": partial(key_store.find_account, ""),
        "ledger": partial(metering.reader.shares, "", ""),
    }


def open_store(
    settings: GatewaySettings, policy: Policy, metering: Metering, clock: Clock, report: Callable[[str], None]
) -> tuple[Store, list[Coroutine[Any, Any, None]]]:
    """Return the policy's quota store, and what has to run while it is used.

    Raises:
        MisuseError: the store's address is none, or a file that it needs cannot be read.
    """
    if policy.store.kind == "memory":
        memory = ProcessStore(restored_store(metering.reader, clock.wall_ns() // 1_000), clock)
        return memory, [_sweep_slots(memory, clock)]
    link = open_link(store_address(settings.store), policy.store.deadline_ms / 1_000, settings.store.client)
    redis = RedisStore(link, metering.events.boot.hex(), metering.sums, clock, policy.store.partitions)
    store = DegradingStore(link, redis, clock, policy.store.grace_s, policy.store.workers_min, report)
    return store, [link.run(), store.run()]


async def _sweep_slots(store: ProcessStore, clock: Clock) -> None:
    while True:
        await clock.sleep_until(clock.monotonic_ns() + WRITE_NS)
        store.sweep_slots()


def sources(settings: GatewaySettings, pepper: bytes, clock: Clock) -> Sources:
    """Return what the routes read.

    Raises:
        MisuseError: a folder needs a library that is not installed.
    """
    read = settings.read
    tape = None if read.observer_dir is None else _reader("tape_reader", "read.observer_dir")
    receipts = None if read.receipts_dir is None else _reader("receipt_reader", "read.receipts_dir")
    return Sources(
        None if tape is None else tape.open_tape(read.observer_dir, read.venue, clock),
        None if receipts is None else receipts.ReceiptFolder(read.receipts_dir),
        cursor_key(pepper),
    )


def console(settings: GatewaySettings, read: Sources, clock: Clock) -> Application | None:
    """Return the console over a metrics page and the gateway's own readers, None without a page."""
    if not settings.read.metrics_page:
        return None
    page = parse_address(settings.read.metrics_page, "read.metrics_page")
    return create_console(figures_from_page(*page), tables_from_readers(read.tape, read.receipts), clock)


def _reader(module: str, setting: str) -> ModuleType:
    """Import what joins another part: its libraries are needed only by who reads it."""
    try:
        return importlib.import_module(f"veritape.apps.{module}")
    except ModuleNotFoundError as error:
        raise MisuseError(f"{setting} needs the library {error.name!r}: install veritape[all]") from error


async def _write_often(gate: Gate, key_store: KeyStore, clock: Clock) -> None:
    while True:
        await clock.sleep_until(clock.monotonic_ns() + WRITE_NS)
        await _write(gate, key_store)


async def _write(gate: Gate, key_store: KeyStore, *, everything: bool = False) -> None:
    """Write what may be lost in a crash: counted refusals and the last use of keys."""
    used, gate.used_keys = list(gate.used_keys.items()), {}
    try:
        await gate.write_counts(everything=everything)
        if used:
            await beside(key_store.thread, partial(key_store.note_use, used))
    except UnavailableError as error:
        click.echo(f"counts not written: {error}", err=True)
