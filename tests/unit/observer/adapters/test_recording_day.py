"""A whole day in one process: universe, slots, sweeps, anchors, seals."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.broker import broker, rest_of
from tests.tape import CODES, DAY

from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_files import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.recording_day import RecordingDay, day_start_ns, stop_day
from veritape.observer.business_days import Calendar
from veritape.observer.gaps import Cause
from veritape.observer.sessions import Hours
from veritape.observer.settings import RecordSettings
from veritape.replay.schedule import midnight_ns

ALL = tuple(CODES)
MINUTE = Hours(32_400, 32_460)


def settings(data: Path, kis: object, min_count: int = 1) -> RecordSettings:
    return RecordSettings.model_validate(
        {"observer": {"data_dir": data}, "kis": kis, "universe": {"min_count": min_count},
         "track_a": {"interval_minutes": 1}, "track_b": {"manual": ALL}}
    )  # fmt: skip


async def test_a_minute_of_market_closes_on_every_line(tmp_path: Path) -> None:
    """OB-001, OB-009, OB-012, OB-124, OB-606: from prepare to the sealed, audited day; frames dropped by the broker are stated."""
    async with broker(seconds=60, speed=60.0, drop=0.05) as one, rest_of(one, tmp_path) as (rest, clock):
        recording, said = Recording(tmp_path), list[str]()
        book = Daybook(
            recording, JournalOptions(recording.journal_folder, reserve_bytes=0), clock, lambda _: None
        )
        day = RecordingDay(settings(tmp_path, one.settings()), rest, book, clock, said.append)
        async with asyncio.timeout(60):
            await day.run(DAY, MINUTE, Calendar({DAY: MINUTE}))
        await book.close()
        audit = json.loads((tmp_path / "export" / f"audit_{DAY}.json").read_bytes())
        assert audit["closed"]
        assert sum(line["residual"]["trades"] for line in audit["lines"]) > 0
        for line in audit["lines"]:
            end = one.player.market.quoted[line["code"]].series.trades[-1]
            assert line["anchor"] == {**line["anchor"], "shares": end.chain_shares, "value_krw": end.chain_value,
                                      "trades": end.sells + end.buys}  # fmt: skip
        assert audit["sweeps"] == {"cycles": 2, "expected": 6, "received": 6, "missing": 0}
        assert f"day {DAY} is over: every line closes" in said
        assert [seal.key for seal in recording.segments.seals()] == [(DAY, 9, 0)]
        assert {path.name for path in tmp_path.iterdir()} <= {
            "universe", "journal", "trades", "sweeps", "books", "backfill", "export", "quarantine", "control.db", "token",
        }  # fmt: skip
        assert json.loads((tmp_path / "universe" / f"{DAY}_kr_stocks.json").read_bytes())["count"] == 3


async def test_without_a_universe_the_manual_codes_are_streamed(tmp_path: Path) -> None:
    """OB-109, OB-108: a refused list: no sweeps, manual codes recorded; the cause is said."""
    async with broker(seconds=60) as one, rest_of(one, tmp_path) as (rest, clock):
        recording, said = Recording(tmp_path), list[str]()
        book = Daybook(
            recording, JournalOptions(recording.journal_folder, reserve_bytes=0), clock, lambda _: None
        )
        day = RecordingDay(settings(tmp_path, one.settings(), min_count=100), rest, book, clock, said.append)
        task = asyncio.create_task(day.run(DAY, MINUTE, Calendar({DAY: MINUTE})))
        async with asyncio.timeout(30):
            while len(day.stream.slots.active) < 3:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stop_day(day)
        await book.flush()
        assert day.codes == ()
        assert said[0] == f"universe of {DAY}: none, so no sweeps"
        spans = recording.recorder.days[DAY].watches["990001"]
        assert [span.cause for span in spans] == [Cause.OPERATOR_STOP]
        await book.close()


@pytest.mark.parametrize("day", ["20131007", "20261120"])
def test_a_day_begins_at_seouls_midnight(day: str) -> None:
    """OB-004."""
    assert day_start_ns(day) == midnight_ns(day)
