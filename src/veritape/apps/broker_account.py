"""An account's REST side as every process opens it: its permits, its token, its calls."""

import asyncio
from urllib.parse import urlsplit

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
from veritape.observer.settings import LOOPBACK_HOSTS, RecordSettings
from veritape.observer.tokens import MINUTE_NS
from veritape.wire.kis.rest import REAL_ONLY


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
    rest = BrokerRest(kis, Gate(permits, clock), store, clock, margin_ns)
    if isinstance(clock, ReplayClock):
        clock.step_ms = rest.step_ms
    return rest, permits


def tell_limits(settings: RecordSettings, account: str) -> None:
    """Say what is not private and what is off (OB-405, KIS-013, KIS-015): once, when the recorder has begun."""
    log = structlog.get_logger()
    if settings.token.key_file is None:
        log.warning(LogEvent.TOKEN_UNENCRYPTED, account=account)
    address = urlsplit(settings.kis.ws_url)
    if address.scheme == "ws" and address.hostname not in LOOPBACK_HOSTS:
        log.warning(LogEvent.PLAINTEXT, host=address.hostname)
    if settings.kis.environment == "paper":
        for tr_id, feature in REAL_ONLY.items():
            log.warning(LogEvent.FEATURE_OFF, feature=feature, tr_id=tr_id)


async def followed_clock(settings: RecordSettings) -> tuple[Clock, "asyncio.Task[None] | None"]:
    """Return the market's clock, and the task that follows a replayed one: cancel it at the end."""
    if not settings.kis.follow_replay_clock:
        return SystemClock(), None
    clock = ReplayClock(settings.kis.rest_url)
    return clock, await clock.start()
