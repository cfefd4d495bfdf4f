"""The day as faults have it."""

from tests.plain_client import NINE, tape
from tests.tape import bundled

from veritape.replay import day_faults
from veritape.replay.faults import parse
from veritape.replay.schedule import session
from veritape.replay.series import AUCTION, Series

MINUTE = 60_000


def happened(*faults: str, series: Series | None = None) -> Series:
    (one,) = day_faults.happened([series or tape(trades=6, step_ms=MINUTE)], parse(faults))
    return one


def minutes(series: Series) -> list[int]:
    return [(ms - NINE) // MINUTE for ms in series.times_ms]


def test_hours_move_with_everything() -> None:
    """OB-851, KIS-182: late_open=n minutes moves trades and session; nothing on the wire announces it."""
    assert minutes(happened("late_open=60")) == [60, 61, 62, 63, 64, 65]
    played = day_faults.moved_session(
        session("20131007", until_ms=NINE + 10 * MINUTE), parse(["late_open=60"])
    )
    assert (played.open_ms, played.close_ms, played.end_ms) == (
        NINE + 60 * MINUTE,
        NINE + 70 * MINUTE,
        NINE + 70 * MINUTE,
    )
    assert 'open = "10:00"' in played.calendar_row()


def test_the_tape_crosses_midnight() -> None:
    """OB-851, KIS-181: midnight=HH:MM:SS; a calendar file cannot say more than 23:59."""
    moved = happened("midnight=09:02:00")
    assert [ms - 86_400_000 for ms in moved.times_ms] == [-120_000, -60_000, 0, 60_000, 120_000, 180_000]
    assert moved.trades[-1].high_ms == moved.times_ms[-1]
    played = day_faults.moved_session(session("20131007"), parse(["midnight=09:02:00"]))
    assert 'open = "23:58"\nclose = "23:59"' in played.calendar_row()


def test_totals_start_again_on_the_wire_only() -> None:
    """OB-851, KIS-144: restart; the truth goes on."""
    one = tape(trades=6, step_ms=MINUTE)
    shown = day_faults.shown(parse(["restart=09:03:00"]))(one)
    assert [trade.chain_shares for trade in shown.trades] == [1, 3, 6, 4, 9, 15]
    assert [trade.buys for trade in shown.trades] == [1, 2, 3, 1, 2, 3]
    assert [trade.price for trade in shown.trades] == [trade.price for trade in one.trades]
    assert happened("restart=09:03:00") == one
    late = bundled("990001")
    after = day_faults.shown(parse(["after_market=restart"]))(late).trades[-1]
    before = late.trades[late.happened(55_800_000 - 1) - 1]
    assert after.chain_shares == late.trades[-1].chain_shares - before.chain_shares


def test_auctions_are_silent_and_print_at_their_end() -> None:
    """KIS-183: the first trade and those of 15:20 to 15:30 are prints; side counts and sums do not move."""
    day = happened("auction", series=bundled("990001"))
    prints = [trade for trade in day.trades if trade.side == AUCTION]
    closing = {trade.ms for trade in prints[1:]}
    assert prints[0] == day.trades[0]
    assert len(closing) == 1
    assert 55_800_000 <= min(closing) < 55_830_000
    assert not [ms for ms in day.times_ms if 55_200_000 <= ms < 55_800_000]
    assert (day.trades[0].sells, day.trades[0].buys, day.trades[0].bought_shares) == (0, 0, 0)
    assert day.trades[-1].chain_shares == bundled("990001").trades[-1].chain_shares


def test_an_interruption_is_two_minutes_and_a_random_end() -> None:
    """KIS-183, KIS-188: silent, then prints with f43 C; the code's only."""
    faults = ("vi=990001@09:01:00",)
    day = happened(*faults)
    (phase,) = day_faults.phases(parse(faults))
    assert 120_000 <= phase.until_ms - phase.from_ms < 150_000
    assert [trade.ms for trade in day.trades if trade.hour_class == "C"] == [phase.until_ms] * 3
    assert [trade.side == AUCTION for trade in day.trades] == [False, True, True, True, False, False]
    assert happened(*faults, series=tape("990002")) == tape("990002")


def test_a_halt_holds_trades_until_its_end() -> None:
    """KIS-183: silent; the first record after it carries f35 Y."""
    day = happened("halt=990001@09:01:00-09:04:00")
    assert minutes(day) == [0, 4, 4, 4, 4, 5]
    assert [trade.halted for trade in day.trades] == ["N", "Y", "N", "N", "N", "N"]
    assert [trade.chain_shares for trade in day.trades] == [1, 3, 6, 10, 15, 21]


def test_stamps_are_ahead_within_a_window() -> None:
    """OB-851, KIS-180: clock_skew."""
    (skew,) = day_faults.skews(parse(["clock_skew=-1500@09:01:00-09:02:00"]))
    assert skew == (-1500, NINE + MINUTE, NINE + 2 * MINUTE)
