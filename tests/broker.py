"""A replayed broker inside the test's own event loop, and a recorder's parts pointed at it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.tape import CODES, DAY, bundled

from veritape.kernel.clock import SystemClock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.pacing_gate import Gate
from veritape.observer.adapters.permit_file import MemoryPermits
from veritape.observer.adapters.replay_clock import ReplayClock
from veritape.observer.adapters.token_files import TokenStore
from veritape.observer.pacing import Pace
from veritape.observer.settings import KisSettings
from veritape.replay.accounts import APPKEY, APPSECRET, Account, Accounts
from veritape.replay.adapters.player import Player, PlayOptions
from veritape.replay.adapters.server import BrokerServer
from veritape.replay.control_faults import ControlFaults
from veritape.replay.faults import parse
from veritape.replay.market import Market
from veritape.replay.rest import Quotations
from veritape.replay.rest_faults import RestFaults
from veritape.replay.schedule import kst_datetime, session
from veritape.replay.sockets import Exchange
from veritape.replay.widths import Widths


class Broker:
    """A running replayed broker."""

    def __init__(
        self,
        seconds: int,
        codes: tuple[str, ...],
        speed: float | None,
        faults: tuple[str, ...],
        truth: Path | None,
    ) -> None:
        asked = parse(faults)
        self.accounts = Accounts()
        self.account = Account(APPKEY, APPSECRET, 7)
        self.accounts.add(self.account)
        self.exchange = Exchange(self.accounts, 7, trouble=ControlFaults(asked))
        options = PlayOptions(speed, True, True, Widths(), None if truth is None else str(truth))
        self.player = Player(options, self.exchange, asked, SystemClock())
        played = session(DAY, until_ms=32_400_000 + seconds * 1000)
        self.player.load(played, Market([bundled(code).until(played.end_ms) for code in codes], DAY))
        self.quotations = Quotations(
            self.accounts,
            lambda: self.player.market,
            lambda ns: kst_datetime(ns).strftime("%Y-%m-%d %H:%M:%S"),
            RestFaults(asked),
        )
        self.server = BrokerServer(self.quotations, self.exchange, self.player)
        self.session = played

    def settings(self, **changes: str) -> KisSettings:
        """Return settings that point at this broker."""
        base = f"http://127.0.0.1:{self.server.rest_port}"
        values = {"appkey": APPKEY, "appsecret": APPSECRET, "rest_url": base, "master_url": base,
                  "ws_url": f"ws://127.0.0.1:{self.server.websocket_port}"} | changes  # fmt: skip
        return KisSettings.model_validate(values)


@asynccontextmanager
async def broker(
    seconds: int = 60, codes: tuple[str, ...] = tuple(CODES), speed: float | None = 60.0, drop: float = 0,
    truth: Path | None = None, faults: tuple[str, ...] = (),
) -> AsyncIterator[Broker]:  # fmt: skip
    """Run a replayed broker on free ports; its tape waits for the codes to be registered.

    Faults are those of ``--fault``; ``drop`` is short for the commonest one.
    """
    one = Broker(seconds, codes, speed, (*faults, f"drop={drop}"), truth)
    await one.server.start(0, 0)
    tasks = [
        asyncio.create_task(one.player.play(lambda _ms, _sent: None)),
        asyncio.create_task(one.player.beat()),
    ]
    try:
        yield one
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await one.server.stop()


@asynccontextmanager
async def rest_of(
    one: Broker, data: Path, change: Callable[[KisSettings], KisSettings] = lambda settings: settings
) -> AsyncIterator[tuple[BrokerRest, ReplayClock]]:
    """Return a recorder's REST side with the broker's clock."""
    settings = change(one.settings())
    clock = ReplayClock(one.settings().rest_url)
    follower = await clock.start()
    gate = Gate(MemoryPermits(Pace(18)), clock)
    rest = BrokerRest(settings, gate, TokenStore(data, "account", settings.rest_url, None), clock)
    try:
        yield rest, clock
    finally:
        await rest.close()
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
