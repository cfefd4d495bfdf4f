"""``veritape serve --workers N``: the parent. It serves nothing; it owns the ledger, the metrics page and the signals (GW-551)."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import click

from veritape.apps.metering import drained_ledger
from veritape.apps.part_metrics import own_page
from veritape.apps.workers import Workers
from veritape.gateway.policy import Policy
from veritape.gateway.settings import GatewaySettings
from veritape.gateway.usage_metrics import RARE_EVENTS
from veritape.kernel.addresses import Address
from veritape.kernel.clock import Clock
from veritape.kernel.errors import MisuseError
from veritape.kernel.listeners import bind
from veritape.telemetry import Registry

STOP_MARGIN_S: Final = 5
"""Seconds beyond ``drain_s`` after which a worker is killed."""


def check_workers(settings: GatewaySettings, policy: Policy) -> None:
    """Refuse what several workers cannot have.

    Raises:
        MisuseError: ``memory_store_needs_one_worker``, or a supervisor takes the metrics.
    """
    if settings.workers > 1 and policy.store.kind == "memory":
        raise MisuseError(
            'memory_store_needs_one_worker: N workers would admit N times the quota: set store.kind = "redis" in the policy'
        )
    if settings.workers > 1 and settings.telemetry.descriptor is not None:
        raise MisuseError("telemetry.descriptor takes the metrics of one process: set workers = 1")


async def serve_workers(
    settings: GatewaySettings, policy: Policy, arguments: Sequence[str], address: Address, registry: Registry, part: str, clock: Clock,
    served: str,
) -> None:  # fmt: skip
    """Run the workers until SIGINT or SIGTERM; a second signal does not wait for requests in progress.

    Args:
        settings: of the gateway.
        policy: for the first line.
        arguments: of ``veritape serve`` that every worker gets.
        address: where they listen.
        registry: of the parent; it has the families of the workers.
        part: its name on the metrics page.
        clock: the machine's.
        served: begins the line that says where what is served.

    Raises:
        UnavailableError: the port or the ledger cannot be had, or a worker does not come up.
    """
    with contextlib.closing(bind(address)) as alone:  # nobody else may listen there, nor another gateway
        name = alone.getsockname()
    address = address._replace(port=name[1])
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(contextlib.closing(bind(address, shared=True, listening=False)))
        draining = await stack.enter_async_context(drained_ledger(settings, policy, registry, clock))
        listen = settings.telemetry.listen
        pipes = await stack.enter_async_context(workers_page(part, registry, listen, settings.workers, clock))
        environments = [_environment(pipe) for pipe in pipes]
        command = (sys.executable, "-m", "veritape", "serve", *arguments, "--port", str(address.port))

        def died(number: int, status: int) -> None:
            registry.add(RARE_EVENTS, event="worker_restarted")
            click.echo(f"worker {number} ended with status {status} and is started again", err=True)

        workers = Workers(command, environments, [pipe for pipe in pipes if pipe is not None], clock, died)
        stack.push_async_callback(workers.stop, settings.drain_delay_s + settings.drain_s + STOP_MARGIN_S)
        ending = _signals(workers)
        await workers.start()
        click.echo(
            f"{served}{name[0]}:{name[1]}, {settings.workers} workers, policy version {policy.version},"
            f" store {policy.store.kind}"
        )
        task = asyncio.create_task(draining.run())
        await ending
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _signals(workers: Workers) -> "asyncio.Future[None]":
    """Pass SIGHUP on; return what the first SIGINT or SIGTERM resolves, the second reaches the workers at once."""
    loop = asyncio.get_running_loop()
    ending: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if ending.done():
            workers.signal(signal.SIGTERM)
        else:
            ending.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, workers.reload)
    return ending


def _environment(pipe: int | None) -> dict[str, str]:
    """Return a worker's environment: its metrics go to the parent's page, never to one of its own."""
    ours = {"VERITAPE_GATEWAY_TELEMETRY__LISTEN": ""}
    if pipe is not None:
        ours["VERITAPE_GATEWAY_TELEMETRY__DESCRIPTOR"] = str(pipe)
    return {**os.environ, **ours}  # noqa: TID251 - an app


@asynccontextmanager
async def workers_page(
    part: str, registry: Registry, listen: str, workers: int, clock: Clock
) -> AsyncIterator[list[int | None]]:
    """Serve one page for parent and workers; yield the descriptor of each worker, None without a page.

    Args:
        part: whose page it is.
        registry: of the parent, and the layout of the workers'.
        listen: host:port; empty for no page.
        workers: how many.
        clock: the machine's.

    Raises:
        UnavailableError: the port is busy.
    """
    if not listen:
        yield [None] * workers
        return
    async with own_page(part, registry, listen, clock) as shown:
        yield [shown.receiver.open_pipe(part) for _ in range(workers)]
