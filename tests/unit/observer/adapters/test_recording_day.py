"""A whole day in one process: universe, slots, sweeps, anchors, seals."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.broker import broker, rest_of
from tests.tape import CODES, DAY
from tests.waiting import PATIENCE_S, until

from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.recording_day import RecordingDay, day_start_ns, settling_seconds, stop_day
from veritape.observer.business_days import Calendar
from veritape.observer.control import GAPS, OBSERVATIONS
from veritape.observer.gaps import Cause
from veritape.observer.sessions import Hours
from veritape.observer.settings import KisSettings, RecordSettings
from veritape.replay.adapters import player
from veritape.replay.schedule import midnight_ns

ALL = tuple(CODES)
MINUTE = Hours(32_400, 32_460)


def settings(data: Path, kis: KisSettings, min_count: int = 1, *, backfill: bool = False) -> RecordSettings:
    return RecordSettings.model_validate(
        {"observer": {"data_dir": data}, "kis": kis.model_copy(update={"follow_replay_clock": True}),
         "universe": {"min_count": min_count}, "backfill": {"enabled": backfill},
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
        recording.recorder.day("20131004")
        async with asyncio.timeout(PATIENCE_S):
            await day.run(DAY, MINUTE, Calendar({DAY: MINUTE}))
        await book.close()
        assert list(recording.recorder.days) == [DAY], "the day before is let go"
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


async def test_a_disk_without_room_keeps_the_journal_and_seals_nothing(tmp_path: Path) -> None:
    """OB-510: below what is kept for the journal no segment is written; every frame is durable, and the error names the remedy."""
    async with broker(seconds=60, speed=60.0) as one, rest_of(one, tmp_path) as (rest, clock):
        recording = Recording(tmp_path)
        book = Daybook(
            recording, JournalOptions(recording.journal_folder, reserve_bytes=0), clock, lambda _: None
        )
        chosen = settings(tmp_path, one.settings())
        kept = chosen.journal.model_copy(update={"kept_bytes": 1 << 60})
        day = RecordingDay(chosen.model_copy(update={"journal": kept}), rest, book, clock, lambda _line: None)
        with pytest.raises(UnavailableError, match="free some and start again"):
            async with asyncio.timeout(PATIENCE_S):
                await day.run(DAY, MINUTE, Calendar({DAY: MINUTE}))
        await book.close()
    assert recording.segments.seals() == []
    again = Recording(tmp_path)
    again.load()
    assert len(again.seal_due(DAY, 0, 0, all_hours=True)) == 1


async def test_what_was_lost_is_fetched_before_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-701, OB-680, OB-609, OB-671: backfilled in session and after the anchor; at close + 30 min document, picture, observations."""
    monkeypatch.setattr(player, "AFTER_MS", 40 * 60_000)
    async with broker(seconds=60, speed=400.0, drop=0.05) as one, rest_of(one, tmp_path) as (rest, clock):
        recording, said = Recording(tmp_path), list[str]()
        book = Daybook(
            recording, JournalOptions(recording.journal_folder, reserve_bytes=0), clock, lambda _: None
        )
        waits = settings(tmp_path, one.settings(), backfill=True)
        waits = waits.model_copy(update={"kis": one.settings()})
        day = RecordingDay(waits, rest, book, clock, said.append)
        async with asyncio.timeout(PATIENCE_S):
            await day.run(DAY, MINUTE, Calendar({DAY: MINUTE}))
        await book.flush()
        assert clock.wall_ns() >= day_start_ns(DAY) + (MINUTE.close_s + 30 * 60) * 10**9
        book.index.database.flush()
        rows = {
            row["name"]: json.loads(row["value"]) for row in book.index.database.rows(OBSERVATIONS, day=DAY)
        }
        gaps = book.index.database.rows(GAPS)
        await book.close()
    audit = json.loads((tmp_path / "export" / f"audit_{DAY}.json").read_bytes())
    assert audit["closed"]
    assert audit["totals"]["backfilled"]["trades"] > audit["totals"]["residual"]["trades"]
    assert {f"ledger.{one['code']}": one for one in audit["observations"]} == {
        name: value for name, value in rows.items() if name.startswith("ledger.")
    }
    states = {row["state"] for row in gaps}
    assert "filled" in states <= {"filled", "residual", "cleared"}
    picture = (tmp_path / "export" / f"audit_{DAY}.svg").read_bytes()
    assert picture.startswith(b"<svg")
    again = Recording(tmp_path)
    again.load([DAY])
    document, redrawn = again.statement(DAY, audit["generated_ns"])
    assert document == audit
    assert redrawn == picture


async def test_without_a_universe_the_manual_codes_are_streamed(tmp_path: Path) -> None:
    """OB-109, OB-108: a refused list: no sweeps, manual codes recorded; the cause is said."""
    async with broker(seconds=60) as one, rest_of(one, tmp_path) as (rest, clock):
        recording, said = Recording(tmp_path), list[str]()
        book = Daybook(
            recording, JournalOptions(recording.journal_folder, reserve_bytes=0), clock, lambda _: None
        )
        day = RecordingDay(settings(tmp_path, one.settings(), min_count=100), rest, book, clock, said.append)
        task = asyncio.create_task(day.run(DAY, MINUTE, Calendar({DAY: MINUTE})))
        await until(lambda: len(day.stream.slots.active) >= 3)
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


def test_a_replayed_day_is_over_when_its_lines_are_closed() -> None:
    """OB-124, OB-680, OB-813: sealed 10 and audited 30 minutes after the close; at once on the virtual clock."""
    assert settling_seconds(is_played=False) == (600, 1_800)
    assert settling_seconds(is_played=True) == (0, 0)
