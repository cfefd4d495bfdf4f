"""The replayed broker put together: accounts, market, listeners, one day after another."""

from dataclasses import dataclass
from pathlib import Path

import click
import structlog

from veritape.apps.output_files import write_output
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError
from veritape.replay import day_faults
from veritape.replay.accounts import APPKEY, APPSECRET, Account, Accounts
from veritape.replay.adapters.certificates import certify
from veritape.replay.adapters.doorkeeper import LOOPBACK
from veritape.replay.adapters.player import Player, PlayOptions
from veritape.replay.adapters.proxy import Proxy
from veritape.replay.adapters.server import BrokerServer
from veritape.replay.control_faults import ControlFaults
from veritape.replay.faults import Faults
from veritape.replay.limits import Limits
from veritape.replay.log_events import LogEvent
from veritape.replay.market import Market
from veritape.replay.proxy import Listener, ProxyReason
from veritape.replay.rest import Quotations
from veritape.replay.rest_faults import RestFaults
from veritape.replay.schedule import Session, kst_datetime, session
from veritape.replay.series import Series, TapeReason
from veritape.replay.sockets import Exchange


@dataclass(frozen=True)
class Doors:
    """Where the broker listens; port 0 takes a free one."""

    rest: int
    """Port of plain REST."""
    websocket: int
    """Port of the WebSocket."""
    proxy: int | None
    """Port of the proxy, None without one."""
    ca_file: Path | None
    """Where the proxy's authority is written for its clients."""


class Broker:
    """Everything of one replay, joined."""

    def __init__(
        self,
        series: list[Series],
        faults: Faults,
        options: PlayOptions,
        limits: Limits,
        *,
        paper: bool = False,
    ) -> None:
        accounts = Accounts()
        accounts.add(Account(APPKEY, APPSECRET, faults.seed, limits))
        exchange = Exchange(accounts, faults.seed, ControlFaults(faults))
        self.planned = session("19700101")
        """The day as it was asked for, before faults moved its hours."""
        self.series = day_faults.happened(series, faults)
        self._faults = faults
        self.player = Player(options, exchange, faults, SystemClock())
        self._rest_faults = RestFaults(faults)
        quotations = Quotations(
            accounts,
            lambda: self.player.market,
            lambda ns: kst_datetime(ns).strftime("%Y-%m-%d %H:%M:%S"),
            self._rest_faults,
            paper=paper,
        )
        self.server = BrokerServer(quotations, exchange, self.player)
        self.proxy: Proxy | None = None

    async def listen(self, doors: Doors) -> None:
        """Open the listeners and print where they are, one line each."""
        if doors.proxy is None or doors.ca_file is None:
            await self.server.start(doors.rest, doors.websocket)
        else:
            tls, authority = certify(SystemClock().wall_ns())
            await self.server.start(doors.rest, doors.websocket, tls)
            self.proxy = Proxy(
                {Listener.REST: self.server.tls_port, Listener.WEBSOCKET: self.server.websocket_port},
                self._note_refusal,
            )
            await self.proxy.start(doors.proxy)
            write_output(doors.ca_file, authority, "replay: --ca-file")
        click.echo(f"REST       http://{LOOPBACK}:{self.server.rest_port}")
        click.echo(f"WebSocket  ws://{LOOPBACK}:{self.server.websocket_port}/tryitout")
        if self.proxy is not None:
            click.echo(f"proxy      http://{LOOPBACK}:{self.proxy.port}")

    def shown(self) -> dict[str, object]:
        """Return what the log says of an open broker."""
        return {
            "rest_port": self.server.rest_port,
            "websocket_port": self.server.websocket_port,
            "faults": sorted(self._faults.names),
            "seed": self._faults.seed,
        }

    async def close(self) -> None:
        """Close every listener."""
        if self.proxy is not None:
            await self.proxy.stop()
        await self.server.stop()

    def _note_refusal(self, reason: ProxyReason) -> None:
        self.player.note("proxy_refused", {"reason": reason, "rule": "KIS-203"})
        structlog.get_logger().warning(LogEvent.PROXY_REFUSED, reason=reason)

    def load(self, played: Session, calendar_file: Path | None) -> None:
        """Make a day current and tell its hours to who reads the calendar."""
        self.planned = played
        played = day_faults.moved_session(played, self._faults)
        cut = [one.until(played.end_ms) for one in self.series]
        if not any(one.trades and one.times_ms[-1] >= played.start_ms for one in cut):
            raise MisuseError(
                "no trade lies between --from and the tape's end: there is nothing to play",
                TapeReason.EMPTY_WINDOW,
            )
        self._rest_faults.new_day()
        market = Market(
            (one for one in cut if one.trades),
            played.day,
            shown=day_faults.shown(self._faults),
            skews=day_faults.skews(self._faults),
            phases=day_faults.phases(self._faults),
        )
        self.player.load(played, market)
        if calendar_file is not None:
            write_output(calendar_file, played.calendar_row().encode(), "replay: --calendar-file")
