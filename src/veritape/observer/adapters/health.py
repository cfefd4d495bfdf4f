"""Measure what readiness needs, and tell it once before the open (OB-411)."""

import shutil

import structlog

from veritape.kernel.clock import Clock, SystemClock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.lanes import Lane
from veritape.observer.log_events import LogEvent
from veritape.observer.reactions import Reaction
from veritape.observer.readiness import Facts, problems
from veritape.observer.settings import RecordSettings
from veritape.wire.kis.rest import INQUIRE_PRICE

MILLISECOND = 1_000_000
"""Nanoseconds in a millisecond."""

SECOND = 1_000 * MILLISECOND
"""Nanoseconds in a second."""


class Health:
    """Measures one recorder."""

    def __init__(self, settings: RecordSettings, rest: BrokerRest, daybook: Daybook, clock: Clock) -> None:
        """Begin without having asked anybody; a replayed broker's own clock cannot differ from it.

        Args:
            settings: name the data directory, whose disk is watched, and what the journal needs of it.
            rest: the account's calls.
            daybook: its journal.
            clock: the market's time.
        """
        self._settings = settings
        self._rest = rest
        self._daybook = daybook
        self._clock = clock
        self.quote_answered: bool | None = None
        """Whether the broker answered a price before the open; None before it was asked."""

    def facts(self, *, is_due: bool, has_universe: bool, is_connected: bool) -> Facts:
        """Measure."""
        token, disk = self._rest.tokens.token, shutil.disk_usage(self._settings.observer.data_dir)
        return Facts(
            is_due,
            has_universe,
            None if token is None else token.expires_ns - self._clock.wall_ns(),
            self.quote_answered,
            self._rest.unanswered_ns,
            is_connected,
            SystemClock().monotonic_ns() - self._daybook.writer.watermark.synced_ns,
            disk.free,
            disk.total,
            self._settings.journal.kept_bytes,
            0 if self._settings.kis.follow_replay_clock else self._rest.clock_offset_ns,
        )

    async def ask_for_a_price(self, code: str | None) -> None:
        """See whether the broker answers one quote; without a code there is nothing to ask."""
        if code is not None:
            query = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": code}
            answer = await self._rest.quotation(INQUIRE_PRICE, query, Lane.BASELINE)
            self.quote_answered = answer.reaction is Reaction.OK

    def tell(self, day: str, facts: Facts) -> None:
        """Log the one event."""
        failed = problems(facts)
        log = structlog.get_logger()
        (log.warning if failed else log.info)(
            LogEvent.HEALTH,
            day=day,
            ready=not failed,
            problems=[check.value for check in failed],
            token_s=None if facts.token_left_ns is None else facts.token_left_ns // SECOND,
            clock_ms=None if facts.clock_offset_ns is None else facts.clock_offset_ns // MILLISECOND,
            disk_free_bytes=facts.disk_free_bytes,
        )
