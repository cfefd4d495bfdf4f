"""``veritape replay``: the simulated broker, for any client of its wire protocol."""

import asyncio
import signal
from functools import partial
from pathlib import Path

import click
import structlog

from veritape.apps.part_log import part_log
from veritape.apps.played_tape import DEFAULT_DAY, load_series, parse_speed
from veritape.apps.recorded_days import require_date
from veritape.apps.replayed_broker import Broker, Doors
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError
from veritape.replay import faults as fault_requests
from veritape.replay.accounts import APPKEY, APPSECRET
from veritape.replay.adapters.player import PlayOptions
from veritape.replay.limits import PROFILES, Limits
from veritape.replay.log_events import LogEvent
from veritape.replay.market import multiplied
from veritape.replay.rendering import clock_text
from veritape.replay.schedule import next_session_day, parse_clock, session
from veritape.replay.series import OPEN_MS
from veritape.replay.widths import parse_widths
from veritape.telemetry.metrics import part_metrics
from veritape.telemetry.registry import Registry
from veritape.wire.kis.hosts import PAPER, REAL

PART = "replay"
"""Name of this part in its log."""


def _list_faults(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(fault_requests.listing())
        context.exit()


@click.command(context_settings={"show_default": True})
@click.option(
    "--rest-port",
    type=click.IntRange(0, 65535),
    help="REST port on loopback, 0 takes a free one.  [default: 9443; paper 29443]",
)
@click.option(
    "--websocket-port",
    type=click.IntRange(0, 65535),
    help="WebSocket port on loopback.  [default: 21000; paper 31000]",
)
@click.option(
    "--proxy-port",
    type=click.IntRange(0, 65535),
    help="Also answer for the broker's real names as an HTTP proxy on this loopback port; needs --ca-file.",
)
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path),
    help="Write the certificate that clients of the proxy must trust.",
)
@click.option(
    "--speed", default="1", help="Tape seconds per second, 0.1 to 1000, or max: as fast as it is read."
)
@click.option(
    "--virtual", is_flag=True, help="Limits, tokens and heartbeats follow the tape clock (GET /replay/clock)."
)
@click.option("--wait-registered", is_flag=True, help="Start the tape once every code is registered.")
@click.option("--day", default=DEFAULT_DAY, help="Business date of the trades, YYYYMMDD.")
@click.option("--next-days", is_flag=True, help="Go on with the next session day at the tape's end.")
@click.option("--from", "from_", metavar="HH:MM:SS", help="Begin here; what was before happened unwatched.")
@click.option("--until", metavar="HH:MM:SS", help="End here: that is the session's close.")
@click.option(
    "--seconds", type=click.IntRange(min=1), help="Seconds of tape after the open, in place of --until."
)
@click.option(
    "--tape",
    "tapes",
    multiple=True,
    metavar="FILE:CODE",
    help="Play this file (Lean zip or CSV) as this code.",
)
@click.option(
    "--multiply", type=click.IntRange(1, 800), default=1, help="Play each symbol under this many codes."
)
@click.option(
    "--hours", type=click.Choice(["session", "all"]), default="session", help="Play every row of the file."
)
@click.option("--auctions", is_flag=True, help="Opening and closing prints are not counted.")
@click.option(
    "--wire",
    multiple=True,
    metavar="trade=W,book=W@HH:MM:SS",
    help="Fields of a record, from a time of the tape on; without it the present wire: trade=47,book=63.",
)
@click.option(
    "--fault",
    "fault_texts",
    multiple=True,
    metavar="NAME=VALUE@HH:MM:SS-HH:MM:SS",
    help="Break a rule on purpose, all day or within a window of the tape, as drop=0.01.",
)
@click.option(
    "--faults",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_faults,
    help="List the faults and exit.",
)
@click.option("--seed", default=fault_requests.DEFAULT_SEED, help="Seed of the faults, tokens and keys.")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="real",
    help="Limits of a real account (18 calls a second since 2026-04-20), a paper one (1) or a new applicant's (3).",
)
@click.option(
    "--paper", is_flag=True, help="A paper account: its ports, its limits, without the calls that it lacks."
)
@click.option(
    "--rest-per-second", type=click.IntRange(1), help="Calls of a sliding second, in place of the profile's."
)
@click.option(
    "--token-every", type=click.FloatRange(0), help="Least seconds between two tokens; 60 since 2026-07-09."
)
@click.option(
    "--approval-every",
    type=click.FloatRange(0),
    help="Least seconds between two approval keys; off, a notice says 1.",
)
@click.option(
    "--registrations",
    type=click.IntRange(1),
    help="Registrations of the one socket; 41 as seen until 2026-09.",
)
@click.option("--truth", metavar="FILE", help="Write what happened; {day} in the name stands for the date.")
@click.option(
    "--calendar-file",
    type=click.Path(path_type=Path),
    help="Write the day's hours for the recorder's calendar.",
)
def replay(
    rest_port: int | None, websocket_port: int | None, proxy_port: int | None, ca_file: Path | None, speed: str,
    virtual: bool, wait_registered: bool, day: str, next_days: bool, from_: str | None, until: str | None, seconds: int | None, tapes: tuple[str, ...], multiply: int, hours: str,
    auctions: bool, wire: tuple[str, ...], fault_texts: tuple[str, ...], seed: int, profile: str, paper: bool,
    rest_per_second: int | None, token_every: float | None, approval_every: float | None, registrations: int | None,
    truth: str | None, calendar_file: Path | None,
) -> None:  # fmt: skip
    """Simulate the broker: real recorded trades over its wire protocol, with its limits.

    Any client of Korea Investment & Securities' API can connect: give it the appkey and secret that are printed. Ctrl-C
    ends it; --truth then holds what the market did, for comparison with what a client recorded. Its log goes to standard
    error as lines of JSON.
    """
    if (proxy_port is None) != (ca_file is None):
        raise MisuseError("--proxy-port and --ca-file belong together: give both")
    if until and seconds:
        raise MisuseError("--until and --seconds say the same: give one")
    require_date(day)
    until_ms = parse_clock(until) if until else OPEN_MS + seconds * 1000 if seconds else None
    first = session(day, from_ms=parse_clock(from_) if from_ else None, until_ms=until_ms)
    series = multiplied(load_series(tapes, every_hour=hours == "all", auctions=auctions), multiply)
    options = PlayOptions(parse_speed(speed), virtual, wait_registered, parse_widths(wire), truth)
    usual_limits = PROFILES["paper" if paper else profile]
    limits = Limits(
        usual_limits.rest_per_s if rest_per_second is None else rest_per_second,
        usual_limits.token_every_s if token_every is None else token_every,
        usual_limits.approval_every_s if approval_every is None else approval_every,
        usual_limits.registrations if registrations is None else registrations,
    )
    broker = Broker(series, fault_requests.parse(fault_texts, seed), options, limits, paper=paper)
    broker.load(first, calendar_file)
    usual = PAPER if paper else REAL
    doors = Doors(
        usual.rest[1] if rest_port is None else rest_port,
        usual.websocket[1] if websocket_port is None else websocket_port,
        proxy_port,
        ca_file,
    )
    with part_log(PART, Registry(part_metrics(PART)), SystemClock()):
        asyncio.run(_run(broker, doors, calendar_file if next_days else None, next_days=next_days))


async def _run(broker: Broker, doors: Doors, calendar: Path | None, *, next_days: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await broker.listen(doors)
        structlog.get_logger().info(LogEvent.PROCESS_STARTED, **broker.shown())
        click.echo(f"appkey     {APPKEY}")
        click.echo(f"appsecret  {APPSECRET}")
        click.echo("choices where the real broker's behaviour is unknown: docs/guides/replay.md#unknowns")
        await _play(broker, calendar, stop, next_days=next_days)
    finally:
        await broker.close()
        structlog.get_logger().info(LogEvent.PROCESS_STOPPED, frames_sent=broker.player.frames_sent)


async def _play(broker: Broker, calendar: Path | None, stop: asyncio.Event, *, next_days: bool) -> None:
    """Play until ``stop`` is set, or until the play itself falls."""
    work: list[asyncio.Task[None]] = [
        asyncio.create_task(_days(broker, calendar, next_days=next_days)),
        asyncio.create_task(broker.player.beat()),
    ]
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([*work, stopped], return_when=asyncio.FIRST_COMPLETED)
    fallen = [task for task in work if task.done()]
    for task in (*work, stopped):
        task.cancel()
    await asyncio.gather(*work, stopped, return_exceptions=True)
    for task in fallen:
        task.result()


async def _days(broker: Broker, calendar: Path | None, *, next_days: bool) -> None:
    log = structlog.get_logger()
    while True:
        played = broker.planned
        log.info(LogEvent.DAY_BEGUN, day=played.day)
        await broker.player.play(partial(_minute, played.day))
        log.info(LogEvent.DAY_ENDED, day=played.day, frames_sent=broker.player.frames_sent)
        if not next_days:
            await broker.player.walk_on()
        before_ns = broker.player.broker_ns()
        broker.load(session(next_session_day(played.day), until_ms=played.end_ms), calendar)
        broker.player.jumped_from(before_ns)


def _minute(day: str, ms: int, frames_sent: int) -> None:
    structlog.get_logger().info(
        LogEvent.MINUTE_PLAYED, day=day, tape_time=clock_text(ms), frames_sent=frames_sent
    )
