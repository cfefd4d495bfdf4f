"""What is done with a finished request of the gateway: figures, and a line of the access log (GW-771 to 773)."""

import time
from collections.abc import Callable

from veritape.gateway.access_lines import Access, json_line
from veritape.gateway.adapters.application import Gateway
from veritape.gateway.adapters.line_writer import LineWriter
from veritape.gateway.metrics import RequestFigures
from veritape.gateway.overload import LOG_SHARE, SAMPLE_US, SAMPLED_LEVEL, Overload
from veritape.gateway.rate_fields import units_text
from veritape.kernel.clock import Clock
from veritape.telemetry import Registry

UNITS = frozenset({"units_mu", "charged_mu", "refunded_mu"})
"""Members that lines show in units."""


class RequestLog:
    """Takes every finished request; it never waits for whoever reads the lines."""

    def __init__(self, registry: Registry, lines: LineWriter, overload: Overload, *, enabled: bool) -> None:
        """Write lines only when ``enabled``; from the ladder's first level on one in ten."""
        self._figures, self._lines, self._overload, self._enabled = (
            RequestFigures(registry),
            lines,
            overload,
            enabled,
        )
        self._count = self._told = 0

    def __call__(self, access: Access) -> None:
        """Move the figures; write the line."""
        self._figures.note(access)
        self._count += 1
        if not self._enabled or (self._overload.level >= SAMPLED_LEVEL and self._count % LOG_SHARE):
            return
        members = {
            name.removesuffix("_mu"): units_text(value) if name in UNITS else value
            for name, value in access._asdict().items()
        }
        if self._lines.dropped > self._told:
            members["lines_dropped"] = self._lines.dropped - self._told
            self._told = self._lines.dropped
        self._lines.put(json_line(members))


async def watch_overload(
    gateway: Gateway, clock: Clock, worked_ns: Callable[[], int] = time.thread_time_ns
) -> None:
    """Sample requests in progress and the loop's lag twenty times a second, until cancelled (GW-381).

    Args:
        gateway: whose loop this is.
        clock: ours.
        worked_ns: processor time of this thread.
    """
    overload = gateway.gate.overload
    while True:
        began_ns, before_ns = clock.monotonic_ns(), worked_ns()
        due_ns = began_ns + SAMPLE_US * 1_000
        await clock.sleep_until(due_ns)
        now_ns = clock.monotonic_ns()
        allowed, worked = gateway.table.policy.in_flight_max, (worked_ns() - before_ns) / (now_ns - began_ns)
        lag_us = max(0, now_ns - due_ns) // 1_000
        overload.sample(now_ns // 1_000, lag_us, gateway.in_flight, allowed, worked)
