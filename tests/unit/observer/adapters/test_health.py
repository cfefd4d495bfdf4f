"""Measuring readiness against the replayed broker."""

from pathlib import Path

import structlog
from tests.broker import broker, rest_of

from veritape.observer.adapters.health import Health
from veritape.observer.readiness import Check, problems


async def test_one_price_and_one_event_before_the_open(tmp_path: Path) -> None:
    """OB-411: token remaining, one quote answered, disk, clock: one event that names what fails."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, clock):
        health = Health(rest, clock, tmp_path, is_replayed=True)
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
        assert bad["problems"] == ["universe_in_force", "quote_answered"]
        assert good["token_s"] > 80_000
        assert good["disk_free_bytes"] > 0


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
