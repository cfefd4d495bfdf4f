"""Rows of the open loop: what ten thousand a second wait, and the highest rate that does not wait (GW-852).

Arrivals are fixed in advance and latencies count from them (``gateway_flood``), so a rate above what the machine can do shows as a queue that grows
for as long as the row lasts. Its P95 then says how long that was and nothing of the gateway: the highest rate whose P95 stays below the
specification's 50 ms does. What a gateway is worth beyond its capacity is how much of it is left there, with so many connections that
the surplus reaches it.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import click

from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_flood import CEILING_SHARE, Tally, flood, open_loop
from veritape.apps.bench.gateway_load import P95_S, open_loop_problems
from veritape.apps.bench.results import Row
from veritape.kernel.clock import NANOSECONDS, Clock

OPEN_RATE: Final = 10_000
"""Requests a second of the specification's row."""

CEILING_S: Final = 1.5
"""Seconds for which the generator's own ceiling is measured."""

FIRST_SHARE: Final = 0.3
"""Of what a closed loop reaches: the first rate that is tried."""

LAST_SHARE: Final = 1.3
"""Of the same: no rate above it is tried."""

STEP: Final = 1.2
"""The next rate that is tried is so many times the last."""

STEP_S: Final = 1.5
"""Seconds of one rate."""

CROWD: Final = 1_000
"""Connections of the rows beyond capacity: several times as many as a gateway has requests in progress at its best."""

TIMES: Final = (2, 4)
"""Times its capacity that are offered."""

KEPT: Final = 0.8
"""Share of it that is to be left."""

KEPT_S: Final = 3.0
"""Seconds of one of these rows."""

REST_S: Final = 6.0
"""Seconds after a rate that did not hold before it is tried once more: then the overload ladder has ended (GW-381)."""


async def open_loop_rows(
    server: Target, upstream: Target, octets: bytes, closed_per_second: float, seconds: float, clock: Clock
) -> list[Row]:
    """Return the highest rate that holds, and the row of 10,000 a second where the generator itself is fast enough for it.

    Args:
        server: the gateway.
        upstream: where the generator's own ceiling is measured.
        octets: the request.
        closed_per_second: what a closed loop reached: steps begin below it.
        seconds: of the row of 10,000 a second.
        clock: the machine's.
    """
    ceiling = await generator_ceiling(upstream, octets, clock)

    async def attempt(rate: int) -> Tally:
        return await open_loop(server, octets, rate, STEP_S, clock)

    most = min(ceiling, LAST_SHARE * closed_per_second)
    best = await highest_rate(attempt, FIRST_SHARE * closed_per_second, most, clock)
    rows = [Row(f"open_loop_rate_p95_{P95_S * 1_000:.0f}ms", [best], target=float(OPEN_RATE))]
    if ceiling < OPEN_RATE:
        click.echo(
            f"open_loop_10k_p95 is not measured: the generator reaches {ceiling / CEILING_SHARE:,.0f} requests/s here",
            err=True,
        )
        return rows
    tally = await open_loop(server, octets, OPEN_RATE, seconds, clock)
    if best < OPEN_RATE:
        click.echo(
            f"open_loop_10k_p95 is of a queue that grew: {tally.per_second:,.0f} of {OPEN_RATE:,} a second were answered, "
            f"{best:,.0f} a second are within {P95_S * 1_000:.0f} ms",
            err=True,
        )
    rows.append(Row("open_loop_10k_p95", [tally.latency_ms(95)], "ms", "lower", 50.0, 10.0))
    return rows


async def kept_rows(server: Target, octets: bytes, ceiling: float, clock: Clock) -> list[Row]:
    """Return what share of its capacity a gateway keeps when it is offered more; it is told what came of the rest.

    Args:
        server: the gateway.
        octets: the request, of an account whose limits refuse none.
        ceiling: requests a second up to which the generator is believed.
        clock: the machine's.
    """
    await clock.sleep_until(clock.monotonic_ns() + int(REST_S * NANOSECONDS))
    capacity = (await flood(server, octets, KEPT_S, clock)).per_second
    rows = []
    for times in TIMES:
        if times * capacity > ceiling:
            click.echo(
                f"open_loop_kept_{times}x is not measured: it needs {times * capacity:,.0f} requests/s",
                err=True,
            )
            break
        tally = await open_loop(server, octets, round(times * capacity), KEPT_S, clock, CROWD)
        came = ", ".join(
            f"{count:,} x {status or 'none'}" for status, count in sorted(tally.statuses.items())
        )
        click.echo(f"at {times} x {capacity:,.0f} requests/s: {came}", err=True)
        kept = [tally.per_second / max(1.0, capacity)]
        rows.append(Row(f"open_loop_kept_{times}x", kept, "ratio", target=KEPT))
    return rows


async def generator_ceiling(upstream: Target, octets: bytes, clock: Clock) -> float:
    """Return the requests a second up to which the generator is believed."""
    return CEILING_SHARE * (await flood(upstream, octets, CEILING_S, clock)).per_second


async def highest_rate(
    attempt: Callable[[int], Awaitable[Tally]], first: float, most: float, clock: Clock
) -> float:
    """Return the highest rate of rising steps before the first that failed twice; 0 when the first one did.

    Args:
        attempt: sends so many requests a second for a while.
        first: rate of the first step.
        most: no rate above it is tried.
        clock: the machine's.
    """
    best, rate = 0.0, first
    while rate <= most:
        if open_loop_problems(await attempt(round(rate))):
            await clock.sleep_until(clock.monotonic_ns() + int(REST_S * NANOSECONDS))
            if open_loop_problems(await attempt(round(rate))):
                break
        best, rate = float(round(rate)), rate * STEP
    return best
