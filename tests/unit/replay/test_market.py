"""Quotes and by-time rows follow from the trades so far."""

from veritape.replay.market import Market, multiplied
from veritape.replay.packing import Frame
from veritape.replay.series import Row, Series, build

OPEN_MS = 32_400_000


def series() -> Series:
    rows = [Row(34_200_000 + ms, price, shares, auction=False) for ms, price, shares in
            ((0, 100, 5), (400, 110, 1), (1000, 90, 4), (1000, 90, 2), (2000, 95, 3))]  # fmt: skip
    return build("990001", rows)


def test_a_snapshot_equals_the_totals_after_some_trade() -> None:
    """KIS-071, OB-802: acml_vol and acml_tr_pbmn are those of the last trade that happened."""
    market = Market([series()], "20131007")
    before = market.multi_price_row("990001", OPEN_MS - 1)
    assert (before["acml_vol"], before["inter2_prpr"], before["inter2_oprc"]) == ("0", "100", "0")
    row = market.multi_price_row("990001", OPEN_MS + 1000)
    assert (row["acml_vol"], row["acml_tr_pbmn"]) == ("12", str(500 + 110 + 360 + 180))
    assert (row["inter2_prpr"], row["inter2_hgpr"], row["inter2_lwpr"], row["prdy_vrss_sign"]) == (
        "90",
        "110",
        "90",
        "5",
    )
    price = market.price_row("990001", OPEN_MS + 1000)
    assert (price["acml_vol"], price["stck_prpr"], price["stck_hgpr"]) == ("12", "90", "110")


def test_by_time_rows_are_newest_first_and_the_second_is_inclusive() -> None:
    """KIS-059, KIS-061: rows at or before HHMMSS; each row is an interval of the volume axis."""
    market = Market([series()], "20131007")
    rows = market.by_time_rows("990001", OPEN_MS + 60_000, "090001", 30)
    assert [(row["acml_vol"], row["cnqn"]) for row in rows] == [
        ("12", "2"),
        ("10", "4"),
        ("6", "1"),
        ("5", "5"),
    ]
    assert [row["stck_cntg_hour"] for row in rows] == ["090001", "090001", "090000", "090000"]
    assert len(market.by_time_rows("990001", OPEN_MS + 60_000, "235959", 2)) == 2
    assert market.by_time_rows("990001", OPEN_MS, "235959", 30)[0]["acml_vol"] == "5"


def test_clones_play_the_same_trades_under_their_own_codes() -> None:
    """OB-811: codes from 991000 upwards."""
    one = series()
    many = multiplied([one], 3)
    assert [copy.code for copy in many] == ["990001", "991000", "991001"]
    assert all(copy.trades is one.trades for copy in many)
    assert Market(many, "20131007").codes == ("990001", "991000", "991001")


def test_one_price_carries_no_quotes_and_the_multi_price_does() -> None:
    """KIS-054, KIS-055, KIS-056: bid and ask come from the multi-price call alone."""
    market = Market([series()], "20131007")
    price, row = market.price_row("990001", OPEN_MS), market.multi_price_row("990001", OPEN_MS)
    assert not [name for name in price if "ask" in name or "bid" in name]
    assert (row["inter2_askp"], row["inter2_bidp"]) == ("200", "100")
    assert {"stck_prpr", "acml_vol", "acml_tr_pbmn", "stck_sdpr"} <= set(price)


def test_a_venue_has_the_part_of_a_frame_that_lies_in_its_hours() -> None:
    """KIS-187: NXT trades from 09:00:30 on; a code that did not trade then is not there."""
    rows = [Row(34_200_000 + ms, 100, 1, auction=False) for ms in (29_990, 29_995, 30_000, 30_001)]
    tape = Market([build("990001", rows), build("990002", rows[:1])], "20131007")
    nxt = tape.venue("NX")
    assert nxt is tape.venue("NX")
    assert tape.venue("UN") is tape.venue("J") is tape
    whole = Frame(1, "990001", 1, 4, OPEN_MS + 30_030)
    assert [trade.chain_shares for trade in nxt.of_frame(tape, whole)] == [1, 2]
    assert [trade.chain_shares for trade in tape.of_frame(tape, whole)] == [2, 3, 4]
    assert nxt.of_frame(tape, Frame(2, "990001", 0, 2, OPEN_MS)) == ()
    assert nxt.of_frame(tape, Frame(3, "990002", 0, 1, OPEN_MS)) == ()
