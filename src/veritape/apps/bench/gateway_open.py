"""Rows of the open loop: what ten thousand a second wait, and the highest rate that does not wait (GW-852).

Arrivals are fixed in advance and latencies count from them (``gateway_flood``), so a rate above what the machine can do shows as a queue that grows
for as long as the row lasts. Its P95 then says how long that was and nothing of the gateway: the highest rate whose P95 stays below the
specification's 50 ms does.

What a gateway is worth beyond its capacity is how much of it is left there: answers of 200 that came while more was offered, of what a
closed loop of the same generator got just before. A thousand connections are about as many as it can have in progress: it has to serve
them all, and the surplus waits where it comes from. With four thousand the surplus reaches it, so that it has to refuse. The generator works
on the same cores; what it takes of them is told, beyond capacity and at it, because what it takes more of is no fault of the gateway's.
"""

import os
import resource
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

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


class Beyond(NamedTuple):
    """A row beyond capacity."""

    name: str
    times: int
    """Times its capacity that are offered."""
    connections: int


BEYOND: Final = (
    Beyond("open_loop_kept_2x", 2, 1_000),
    Beyond("open_loop_kept_4x", 4, 1_000),
    Beyond("open_loop_kept_4x_refusing", 4, 4_000),
)
"""Several times as many connections as a gateway has requests in progress at its best, and so many that it has to refuse."""

MICROSECONDS: Final = 1_000_000

SPARE_FILES: Final = 200
"""Descriptors that the generator needs beside its connections."""

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


async def kept_rows(
    server: Target, octets: bytes, ceiling: float, clock: Clock, gateway_s: Callable[[], float]
) -> list[Row]:
    """Return what share of its capacity a gateway keeps when it is offered more, and what those whom it serves wait.

    Args:
        server: the gateway.
        octets: the request, of an account whose limits refuse none.
        ceiling: requests a second up to which the generator is believed.
        clock: the machine's.
        gateway_s: returns the processor time of the gateway's processes, seconds.
    """
    await _rest(clock)
    began_s, gateway_began_s = _worked_s(), gateway_s()
    flooded = await flood(server, octets, KEPT_S, clock)
    capacity = flooded.per_second
    at_capacity, us_at_capacity = (
        (_worked_s() - began_s) / KEPT_S,
        _us(gateway_s() - gateway_began_s, flooded),
    )
    rows = []
    for beyond in BEYOND:
        why = _hindrance(beyond, capacity, ceiling)
        if why:
            click.echo(f"{beyond.name} is not measured: {why}", err=True)
            continue
        await _rest(clock)
        rate, began_s, gateway_began_s = round(beyond.times * capacity), _worked_s(), gateway_s()
        tally = await open_loop(server, octets, rate, KEPT_S, clock, beyond.connections)
        generator = (_worked_s() - began_s) / max(KEPT_S, tally.seconds)
        click.echo(
            f"{beyond.name}: {came(tally, beyond)}; the generator worked {generator:.2f} of {os.cpu_count()} cores, "
            f"{at_capacity:.2f} at the capacity of {capacity:,.0f}/s, the gateway {_us(gateway_s() - gateway_began_s, tally):.0f} us for "
            f"each that it served, {us_at_capacity:.0f} at its capacity",
            err=True,
        )
        kept = tally.in_time / KEPT_S / max(1.0, capacity)
        rows.append(Row(beyond.name, [kept], "ratio", target=KEPT))
        rows.append(Row(f"{beyond.name}_p95", [tally.served_ms(95)], "ms", "lower"))
    return rows


def came(tally: Tally, beyond: Beyond) -> str:
    """Say what came of all that was due."""
    answered = [f"{count:,} x {status}" for status, count in sorted(tally.statuses.items()) if status]
    silent = tally.statuses[0] - tally.unsent
    return (
        f"{', '.join(answered) or 'nothing'}; {silent:,} sent and not answered when it ended; {tally.unsent:,} never sent, because "
        f"{beyond.connections:,} connections waited for answers; of 100 that were served 95 took {tally.served_ms(95):,.0f} ms at most"
    )


def _hindrance(beyond: Beyond, capacity: float, ceiling: float) -> str:
    """Return why a row cannot be measured here; empty when it can."""
    if beyond.times * capacity > ceiling:
        return f"it needs {beyond.times * capacity:,.0f} requests/s"
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (
        f"it needs {beyond.connections:,} connections, and this process may open {files:,} files"
        if files < beyond.connections + SPARE_FILES
        else ""
    )


def _us(worked_s: float, tally: Tally) -> float:
    """Return processor time for each answer of 200, microseconds."""
    return worked_s * MICROSECONDS / max(1, tally.statuses[200])


def _worked_s() -> float:
    """Return the processor time of this process, which is the generator."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _rest(clock: Clock) -> None:
    await clock.sleep_until(clock.monotonic_ns() + int(REST_S * NANOSECONDS))


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
            await _rest(clock)
            if open_loop_problems(await attempt(round(rate))):
                break
        best, rate = float(round(rate)), rate * STEP
    return best
