"""``veritape jobs serve``: the executor's service alone."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import uvicorn

from veritape.apps.executor_runtime import executor_settings, log_note, make_runtime, note_start
from veritape.apps.part_log import part_log
from veritape.apps.part_metrics import shown_metrics
from veritape.apps.running_chain import until_signal
from veritape.executor.adapters.guest_files import guest_image, manifest
from veritape.executor.adapters.http.application import application
from veritape.executor.adapters.http.jobs import Jobs
from veritape.executor.adapters.workers.watch import Watch
from veritape.executor.log_events import LogEvent
from veritape.executor.metrics import METRICS
from veritape.executor.settings import ExecutorSettings
from veritape.kernel.addresses import parse_address
from veritape.kernel.clock import Clock, SystemClock
from veritape.kernel.errors import MisuseError
from veritape.kernel.listeners import bind
from veritape.telemetry.metrics import part_metrics
from veritape.telemetry.registry import Registry

PART = "executor"
"""Name of this part on the metrics page."""

METRICS_LISTEN = "127.0.0.1:9465"
"""Where the metrics of the service alone are (TL-900)."""


@click.group()
def jobs() -> None:
    """Take jobs over HTTP (executed, not proven)."""


@jobs.command(context_settings={"show_default": True})
@click.option(
    "--config", type=click.Path(path_type=Path), help="Settings; http.listen is where jobs are taken."
)
@click.option("--listen", help="host:port of the jobs, in place of http.listen.")
@click.option("--metrics", default=METRICS_LISTEN, help="host:port of the metrics page; empty: none.")
def serve(config: Path | None, listen: str | None, metrics: str) -> None:
    """Run registered programs for whoever asks on http.listen, until Ctrl-C or SIGTERM.

    Example: veritape jobs serve --listen 127.0.0.1:8020
    """
    settings = executor_settings(config)
    address = listen or settings.http.listen
    if not address:
        raise MisuseError("http.listen is empty: name it in the settings, or give --listen host:port")
    listener = bind(
        parse_address(address, "http.listen"), remedy="choose another port: http.listen, or --listen"
    )
    asyncio.run(_serve(settings, listener, metrics))


async def _serve(settings: ExecutorSettings, listener: socket.socket, metrics: str) -> None:
    clock, registry = SystemClock(), Registry((*part_metrics(PART), *METRICS))
    with part_log(PART, registry, clock):
        note_start(settings)
        await _take_jobs(settings, listener, metrics, registry, clock)
        log_note(LogEvent.PROCESS_STOPPED)


async def _take_jobs(
    settings: ExecutorSettings, listener: socket.socket, metrics: str, registry: Registry, clock: Clock
) -> None:
    runtime = make_runtime(settings, registry, note=log_note, clock=clock)
    watch = Watch(runtime, runtime.pool, clock)
    programs = {name: guest_image(name) for name in manifest()["guests"]}
    service = application(Jobs(runtime, programs, settings.limits()), watch, version("veritape"))
    config = uvicorn.Config(service, lifespan="off", log_config=None, access_log=False, server_header=False)
    server = _Server(config)
    watch.start()
    try:
        async with until_signal() as stop, shown_metrics(PART, registry, metrics, None, clock):
            click.echo(
                f"jobs on http://{listener.getsockname()[0]}:{listener.getsockname()[1]} (executed, not proven)"
            )
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await stop.wait()
            server.should_exit = True
            await serving
    finally:
        watch.stop()
        await asyncio.to_thread(runtime.close, cancel=True)


class _Server(uvicorn.Server):
    """uvicorn without its own handling of signals: SIGTERM ends with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
