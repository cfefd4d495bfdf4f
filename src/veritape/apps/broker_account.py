"""An account's REST side as every process opens it: its permits, its token, its calls."""

import asyncio

import structlog
from blake3 import blake3

from veritape.kernel.clock import Clock, SystemClock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.pacing_gate import Gate
from veritape.observer.adapters.permit_file import PermitFile, machine_boot_id
from veritape.observer.adapters.replay_clock import ReplayClock
from veritape.observer.adapters.token_files import TokenStore, account_id
from veritape.observer.log_events import LogEvent
from veritape.observer.pacing import Pace
from veritape.observer.pacing_page import BOOT_BYTES
from veritape.observer.settings import RecordSettings
from veritape.observer.tokens import MINUTE_NS


def open_broker(settings: RecordSettings, clock: Clock, *, owner: bool) -> tuple[BrokerRest, PermitFile]:
    """Return an account's calls and the permits under them; close both.

    Args:
        settings: whose account, which broker.
        clock: the permits' time; a replayed one counts as a boot of its own.
        owner: whether this process is the account's recorder.
    """
    account = account_id(settings.kis.appkey.get_secret_value())
    data, log = settings.observer.data_dir, structlog.get_logger()
    kis, token = settings.kis, settings.token
    store = TokenStore(data, account, kis.rest_url, token.key_file, kis.environment)
    if owner and token.key_file is None:
        log.warning(LogEvent.TOKEN_UNENCRYPTED, account=account)
    replayed = kis.follow_replay_clock
    boot_id = blake3(kis.rest_url.encode()).digest(BOOT_BYTES) if replayed else machine_boot_id()
    permits = PermitFile(
        data / f"pacing-{account}.permits",
        Pace(settings.pacing.requests_per_second, settings.pacing.spacing),
        boot_id,
        clock.monotonic_ns(),
        owner=owner,
        notice=lambda cause: log.warning(LogEvent.PERMITS_RESET, cause=cause),
    )
    margin_ns = token.refresh_margin_minutes * MINUTE_NS
    return BrokerRest(kis, Gate(permits, clock), store, clock, margin_ns), permits


async def followed_clock(settings: RecordSettings) -> tuple[Clock, "asyncio.Task[None] | None"]:
    """Return the market's clock, and the task that follows a replayed one: cancel it at the end."""
    if not settings.kis.follow_replay_clock:
        return SystemClock(), None
    clock = ReplayClock(settings.kis.rest_url)
    return clock, await clock.start()
