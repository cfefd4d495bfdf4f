"""The log of a part that runs for long: JSON lines on standard error (TL-600)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from veritape.kernel.clock import Clock
from veritape.telemetry.adapters.logs import configure_logs
from veritape.telemetry.registry import Registry


@contextmanager
def part_log(part: str, registry: Registry, clock: Clock) -> Iterator[structlog.typing.FilteringBoundLogger]:
    """Set the process's log up while the context lasts; what waits is written at its end.

    Args:
        part: value of the field ``part``.
        registry: counts the records; holds ``part_metrics(part)``.
        clock: stamps them.
    """
    output = configure_logs(part, "info", registry, clock, sys.stderr)
    try:
        yield structlog.get_logger()
    finally:
        output.close()
