"""The chain's one metrics page: children's vectors arrive through pipes, the supervisor serves their merge (TL-135)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import click

from veritape.executor.metrics import METRICS as EXECUTOR
from veritape.gateway.metrics import METRICS as GATEWAY
from veritape.kernel.clock import Clock
from veritape.observer.metrics import METRICS as OBSERVER
from veritape.telemetry import Metric, Registry
from veritape.telemetry.adapters.listener import Address
from veritape.telemetry.adapters.served_page import served_page
from veritape.telemetry.metrics import part_metrics
from veritape.telemetry.vectors import Refusal

FAMILIES: dict[str, tuple[Metric, ...]] = {"observer": OBSERVER, "executor": EXECUTOR, "gateway": GATEWAY}
"""Part -> the families that its process reports, beside those that every process has."""


@asynccontextmanager
async def metrics_page(
    host: str, port: int, clock: Clock, status: Mapping[str, object]
) -> AsyncIterator[dict[str, int]]:
    """Serve the page while the context lasts; yield part -> the descriptor that its process inherits.

    Args:
        host: address to listen on.
        port: its port.
        clock: the machine's.
        status: what ``/status`` says beside the parts.

    Raises:
        UnavailableError: the port is in use.
    """
    parts = {part: Registry((*part_metrics(part), *families)) for part, families in FAMILIES.items()}
    async with served_page(parts, Address(host, port), clock, status, _warn) as shown:
        yield {part: shown.receiver.open_pipe(part) for part in parts}


def families_of(text: str) -> int:
    """Return how many families a page in Prometheus's text format shows."""
    return sum(line.startswith("# TYPE ") for line in text.splitlines())


def _warn(part: str, reason: Refusal) -> None:
    click.echo(f"veritape: metrics of {part} were refused: {reason.value}", err=True)
