"""Measuring readiness against the replayed broker."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import structlog
from tests.broker import broker, rest_of

from veritape.kernel.clock import Clock, SystemClock
from veritape.kernel.settings import load_settings
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.health import Health
from veritape.observer.readiness import UNSYNCED_NS, Check, problems
from veritape.observer.settings import RecordSettings


def health_of(
    tmp_path: Path, rest: BrokerRest, clock: Clock, more: str = "", kept_bytes: int = 0
) -> tuple[Health, Any]:
    """Return health measured with a journal whose last sync can be set."""
    text = f'[observer]\ndata_dir = "{tmp_path}"\n[journal]\nkept_bytes = {kept_bytes}\n[kis]\nappkey = "k"\nappsecret = "s"\n{more}'
    settings = load_settings(RecordSettings, text.encode(), {}, "VERITAPE_RECORD")
    watermark = SimpleNamespace(synced_ns=SystemClock().monotonic_ns())
    daybook = SimpleNamespace(writer=SimpleNamespace(watermark=watermark))
    return Health(settings, rest, cast("Any", daybook), clock), daybook


REPLAYED = 'rest_url = "http://127.0.0.1:1"\nfollow_replay_clock = true\n'


async def test_one_price_and_one_event_before_the_open(tmp_path: Path) -> None:
    """OB-411: token remaining, one quote answered, disk, clock: one event that names what fails."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, clock):
        health, _ = health_of(tmp_path, rest, clock, REPLAYED)
        before = health.facts(is_due=True, has_universe=True, is_connected=True)
        assert problems(before) == (Check.TOKEN_VALID,)
        await health.ask_for_a_price(None)
        assert health.quote_answered is None
        await health.ask_for_a_price("990001")
        facts = health.facts(is_due=True, has_universe=True, is_connected=True)
        assert problems(facts) == ()
        assert health.quote_answered is True
        with structlog.testing.capture_logs() as told:
            health.tell("20131007", facts)
            await health.ask_for_a_price("000000")
            health.tell("20131007", health.facts(is_due=True, has_universe=False, is_connected=True))
        good, bad = told
        assert (good["event"], good["log_level"], good["ready"], good["problems"]) == (
            "health",
            "info",
            True,
            [],
        )
        assert (bad["log_level"], bad["ready"]) == ("warning", False)
        assert bad["problems"] == ["universe_in_force", "broker_reachable"]
        assert good["token_s"] > 80_000
        assert good["disk_free_bytes"] > 0


async def test_a_stuck_journal_a_small_disk_and_another_clock_are_seen(tmp_path: Path) -> None:
    """TL-720, TL-730: nothing became durable for 15 s, less room than the journal keeps, a Date hours away."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, clock):
        await rest.token()
        health, daybook = health_of(tmp_path, rest, clock)
        daybook.writer.watermark.synced_ns -= UNSYNCED_NS
        rest.clock_offset_ns = 3_600 * 10**9
        facts = health.facts(is_due=True, has_universe=True, is_connected=True)
        assert problems(facts) == (Check.JOURNAL_WRITABLE, Check.CLOCK)
        small, _ = health_of(tmp_path, rest, clock, REPLAYED, kept_bytes=1 << 50)
        assert problems(small.facts(is_due=False, has_universe=False, is_connected=False)) == (
            Check.DISK_SPACE,
        )


async def test_the_brokers_date_tells_the_difference_of_the_clocks(tmp_path: Path) -> None:
    """OB-411, KIS-180: within a second by the Date header; used for checks, never for stored times."""
    async with broker(speed=1.0) as one, rest_of(one, tmp_path) as (rest, clock):
        await rest.token()
        assert rest.clock_offset_ns is not None
        assert abs(rest.clock_offset_ns) <= 2 * 10**9
        wall_ns = clock.wall_ns()
        rest._compare_clocks("Mon, 07 Oct 2013 00:00:00 GMT")
        assert abs(rest.clock_offset_ns - (wall_ns - 1_381_104_000 * 10**9)) < 10**9
        kept = rest.clock_offset_ns
        for date in ("", "yesterday", "Mon, 99 Oct 2013 00:00:00 GMT"):
            rest._compare_clocks(date)
        assert rest.clock_offset_ns == kept
