"""The quotation calls at an instant of the tape."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plain_client import NINE, tape
from tests.tape import bundled

from veritape.replay.faults import parse
from veritape.replay.market import Market, multiplied
from veritape.replay.quotation_calls import Asked, Page, QuotationCalls, RefusedCallError
from veritape.replay.rest_faults import RestFaults
from veritape.wire.kis import rest as wire

MINUTE = 60_000
CODE = {"fid_cond_mrkt_div_code": "J", "fid_input_iscd": "990001"}
BARS = CODE | {"fid_input_hour_1": "093000", "fid_pw_data_incu_yn": "N"}
RANK = {
    "fid_cond_mrkt_div_code": "J",
    "fid_input_iscd": "0000",
    "fid_cond_scr_div_code": "20171",
    "fid_blng_cls_code": "0",
}


class Fixture:
    def __init__(self, *faults: str, market: Market | None = None, now_ms: int = NINE + 30 * MINUTE) -> None:
        asked = RestFaults(parse(faults))
        asked.next_call()
        self.market = market or Market([bundled("990001"), bundled("990003")], "20131007")
        self.calls = QuotationCalls(lambda: self.market, asked)
        self.now_ms = now_ms
        self.continues = False
        self.pages: dict[str, int] = {}

    def page(self, call: wire.Call, **parameters: str) -> Page:
        return self.calls.answer(
            call.path, call.tr_id, Asked(parameters, self.now_ms, self.continues, self.pages)
        )

    def refusal(self, call: wire.Call, **parameters: str) -> str:
        with pytest.raises(RefusedCallError) as refused:
            self.page(call, **parameters)
        return str(refused.value)


@pytest.fixture(scope="module")
def day() -> Fixture:
    return Fixture()


def test_every_figure_at_an_instant_agrees(day: Fixture) -> None:
    """OB-802, KIS-071, KIS-052: quotes, by-time rows, last trades, bars and rankings of one instant tell one story."""
    price = day.page(wire.INQUIRE_PRICE, **CODE).rows["output"]
    multi = day.page(wire.MULTI_PRICE, fid_cond_mrkt_div_code_1="J", fid_input_iscd_1="990001").rows[
        "output"
    ][0]
    timed = day.page(wire.TRADES_BY_TIME, **CODE, fid_input_hour_1="093000").rows
    last = day.page(wire.LAST_TRADES, **CODE).rows["output"]
    bars = day.page(wire.BARS_TODAY, **BARS).rows
    ranked = {row["mksc_shrn_iscd"]: row for row in day.page(wire.VOLUME_RANK, **RANK).rows["output"]}[
        "990001"
    ]
    volume, value = price["acml_vol"], price["acml_tr_pbmn"]
    assert {
        multi["acml_vol"],
        timed["output1"]["acml_vol"],
        timed["output2"][0]["acml_vol"],
        ranked["acml_vol"],
    } == {volume}
    assert {multi["acml_tr_pbmn"], bars["output2"][0]["acml_tr_pbmn"], ranked["acml_tr_pbmn"]} == {value}
    assert {last[0]["stck_prpr"], bars["output2"][0]["stck_prpr"], multi["inter2_prpr"]} == {
        price["stck_prpr"]
    }
    trade = day.market.last("990001", day.now_ms)
    assert trade is not None
    assert (volume, value) == (str(trade.chain_shares), str(trade.chain_value))


def test_the_last_trades_have_no_running_total(day: Fixture) -> None:
    """KIS-059: 30 rows, newest first, shares under cntg_vol, no acml_vol."""
    rows = day.page(wire.LAST_TRADES, **CODE).rows["output"]
    timed = day.page(wire.TRADES_BY_TIME, **CODE, fid_input_hour_1="235959").rows["output2"]
    assert [(row["stck_cntg_hour"], row["cntg_vol"]) for row in rows] == [
        (r["stck_cntg_hour"], r["cnqn"]) for r in timed
    ]
    assert set(rows[0]) == {
        "stck_cntg_hour", "stck_prpr", "cntg_vol", "prdy_vrss", "prdy_vrss_sign", "prdy_ctrt", "tday_rltv",
    }  # fmt: skip


def test_walking_back_over_pages_finds_every_trade() -> None:
    """KIS-061, OB-814: the cursor is the oldest row's second, inclusive; rows are told apart by acml_vol."""
    one = tape(trades=200, step_ms=400)
    day, hour = Fixture(market=Market([one], "20131007")), "090500"
    seen: dict[str, str] = {}
    while True:
        rows = day.page(wire.TRADES_BY_TIME, **CODE, fid_input_hour_1=hour).rows["output2"]
        new = {row["acml_vol"]: row["cnqn"] for row in rows if row["acml_vol"] not in seen}
        if not new:
            break
        seen |= new
        hour = rows[-1]["stck_cntg_hour"]
    assert seen == {str(trade.chain_shares): str(trade.shares) for trade in one.trades}


def test_bars_of_today_are_thirty_newest_first(day: Fixture) -> None:
    """KIS-063, KIS-065: the next call asks the oldest label minus one minute, until before the open."""
    rows = day.page(wire.BARS_TODAY, **BARS).rows["output2"]
    assert [rows[0]["stck_cntg_hour"], rows[-1]["stck_cntg_hour"], len(rows)] == ["093000", "090100", 30]
    earlier = day.page(wire.BARS_TODAY, **BARS | {"fid_input_hour_1": "090000"}).rows["output2"]
    assert [row["stck_cntg_hour"] for row in earlier] == ["090000"]
    assert day.page(wire.BARS_TODAY, **BARS | {"fid_input_hour_1": "085900"}).rows["output2"] == []
    last = day.market.last("990001", day.now_ms)
    assert last is not None
    assert sum(int(row["cntg_vol"]) for row in rows + earlier) == last.chain_shares


def test_earlier_days_follow_when_they_are_asked_for(day: Fixture) -> None:
    """KIS-053: FID_PW_DATA_INCU_YN Y includes earlier days."""
    rows = day.page(
        wire.BARS_TODAY, **BARS | {"fid_input_hour_1": "090100", "fid_pw_data_incu_yn": "Y"}
    ).rows["output2"]
    assert [(row["stck_bsop_date"], row["stck_cntg_hour"]) for row in rows[:3]] == [
        ("20131007", "090100"), ("20131007", "090000"), ("20131004", "153100"),
    ]  # fmt: skip
    assert len(rows) == 30


def test_four_calls_cover_a_past_day(day: Fixture) -> None:
    """KIS-063, KIS-065, KIS-050: 120 rows a call; 09:00 to 15:30 are 391 labels."""
    labels: list[str] = []
    hour = "153000"
    for _ in range(4):
        rows = day.page(
            wire.BARS_PAST, **BARS | {"fid_input_date_1": "20131004", "fid_input_hour_1": hour}
        ).rows["output2"]
        labels += [row["stck_cntg_hour"] for row in rows]
        minute = int(labels[-1][:2]) * 60 + int(labels[-1][2:4]) - 1
        hour = f"{minute // 60:02}{minute % 60:02}00"
    assert (len(labels), labels[0], labels[-1]) == (391, "153000", "090000")
    for absent in ("20131005", "20131008", "20111007", "x"):
        assert day.page(wire.BARS_PAST, **BARS | {"fid_input_date_1": absent}).rows["output2"] == []
    running = day.page(wire.BARS_PAST, **BARS | {"fid_input_date_1": "20131007"}).rows["output2"]
    assert running[0]["stck_cntg_hour"] == "093000"


def test_bars_are_padded_or_labelled_otherwise_only_by_faults() -> None:
    """KIS-064, KIS-289, KIS-220: pad_future, label_end."""
    one = tape(trades=3, step_ms=MINUTE)
    asked = BARS | {"fid_input_hour_1": "091000"}
    for faults, labels in (
        ((), ["090100", "090000"]),
        (("label_end",), ["090200", "090100"]),
        (("pad_future",), [f"09{minute:02}00" for minute in range(10, -1, -1)]),
    ):
        fixture = Fixture(*faults, market=Market([one], "20131007"), now_ms=NINE + MINUTE + 1)
        rows = fixture.page(wire.BARS_TODAY, **asked).rows["output2"]
        assert [row["stck_cntg_hour"] for row in rows] == labels


def test_rankings_are_paged_by_the_header() -> None:
    """KIS-051, KIS-066: 30 rows a page; F, then M, then E; D when there is only one."""
    market = Market(multiplied([tape()], 70), "20131007")
    day = Fixture(market=market)
    pages = []
    for number in range(3):
        day.continues = number > 0
        pages.append(day.page(wire.VOLUME_RANK, **RANK))
    day.continues = False
    assert [(page.tr_cont, len(page.rows["output"])) for page in pages] == [("F", 30), ("M", 30), ("E", 10)]
    ranks = [int(row["data_rank"]) for page in pages for row in page.rows["output"]]
    assert ranks == list(range(1, 71))
    assert day.page(wire.VOLUME_RANK, **RANK).rows == pages[0].rows
    changes = RANK | {"fid_rank_sort_cls_code": "0"}
    assert Fixture().page(wire.FLUCTUATION_RANK, **changes).tr_cont == "D"


def test_the_calendar_is_paged_by_its_keys() -> None:
    """KIS-051, KIS-068, KIS-069: opnd_yn says whether the market is open; keys come back with their blanks."""
    day, dates, keys = Fixture("holiday=20131009"), [], {"ctx_area_nk": "", "ctx_area_fk": ""}
    conts = []
    while True:
        page = day.page(wire.TRADING_DAYS, bass_dt="20131007", **keys)
        dates += [(row["bass_dt"], row["opnd_yn"]) for row in page.rows["output"]]
        conts.append(page.tr_cont)
        keys, day.continues = {name: page.rows[name] for name in keys}, True
        if page.tr_cont in {"D", "E"}:
            break
    assert conts == ["F", "M", "E"]
    assert dates[:3] == [("20131007", "Y"), ("20131008", "Y"), ("20131009", "N")]
    assert len({date for date, _ in dates}) == 60
    trimmed = {name: text.strip() for name, text in keys.items()}
    with pytest.raises(RefusedCallError):
        day.page(wire.TRADING_DAYS, bass_dt="20131007", **trimmed)


def test_each_venue_has_figures_of_its_own(day: Fixture) -> None:
    """KIS-167, KIS-187: NXT counts from 09:00:30 with totals of its own; both together show KRX's."""
    krx, nxt, both = (
        int(
            day.page(wire.INQUIRE_PRICE, **CODE | {"fid_cond_mrkt_div_code": venue}).rows["output"][
                "acml_vol"
            ]
        )
        for venue in ("J", "NX", "UN")
    )
    before = bundled("990001").trades[bundled("990001").happened(NINE + 29_999) - 1].chain_shares
    assert (krx - nxt, both) == (before, krx)


@pytest.mark.parametrize(
    ("call", "parameters", "code"),
    [
        (wire.INQUIRE_PRICE, {"fid_input_iscd": "990001"}, "OPSQ2001"),
        (wire.INQUIRE_PRICE, CODE | {"fid_input_iscd": "x"}, "OPSQ2002"),
        (wire.BARS_TODAY, CODE | {"fid_input_hour_1": "093000"}, "OPSQ2002"),
        (wire.BARS_TODAY, BARS | {"fid_input_hour_1": "9"}, "OPSQ2002"),
        (wire.BARS_PAST, BARS, "OPSQ2002"),
        (wire.VOLUME_RANK, {}, "OPSQ2002"),
        (wire.VOLUME_RANK, RANK | {"fid_cond_mrkt_div_code": "X"}, "OPSQ2001"),
        (wire.VOLUME_RANK, RANK | {"fid_input_iscd": "990001"}, "OPSQ2002"),
        (wire.VOLUME_RANK, RANK | {"fid_blng_cls_code": "9"}, "OPSQ2002"),
        (wire.VOLUME_RANK, RANK | {"fid_vol_cnt": "many"}, "OPSQ2002"),
        (wire.FLUCTUATION_RANK, RANK, "OPSQ2002"),
        (wire.TRADING_DAYS, {"bass_dt": "20131007"}, "OPSQ2002"),
        (wire.TRADING_DAYS, {"bass_dt": "x", "ctx_area_nk": "", "ctx_area_fk": ""}, "OPSQ2002"),
        (wire.Call(wire.INQUIRE_PRICE.path, "FHKST01010200", 1), CODE, "OPSQ0002"),
        (wire.Call(wire.QUOTATIONS + "inquire-asking-price-exp-ccn", "FHKST01010200", 1), CODE, "OPSQ0002"),
    ],
)
def test_a_bad_call_has_its_code(
    call: wire.Call, parameters: dict[str, str], code: str, day: Fixture
) -> None:
    """KIS-072, KIS-052: unknown market, missing or malformed parameter, another path's transaction id."""
    assert day.refusal(call, **parameters) == code


def test_a_repeated_call_has_an_equal_answer(day: Fixture) -> None:
    """KIS-028: every GET is idempotent."""
    for call, parameters in ((wire.BARS_TODAY, BARS), (wire.VOLUME_RANK, RANK), (wire.LAST_TRADES, CODE)):
        assert day.page(call, **parameters) == day.page(call, **parameters)


CALLS = [
    wire.MULTI_PRICE, wire.INQUIRE_PRICE, wire.LAST_TRADES, wire.TRADES_BY_TIME, wire.BARS_TODAY, wire.BARS_PAST,
    wire.VOLUME_RANK, wire.FLUCTUATION_RANK, wire.TRADING_DAYS, wire.SEARCH_INFO,
]  # fmt: skip
NAMES = sorted(
    {
        *BARS,
        *RANK,
        "fid_input_date_1",
        "bass_dt",
        "ctx_area_nk",
        "ctx_area_fk",
        "fid_rank_sort_cls_code",
        "fid_rsfl_rate1",
    }
)
VALUES = st.sampled_from(
    [
        "",
        "J",
        "NX",
        "990001",
        "0000",
        "093000",
        "250000",
        "20131007",
        "0",
        "N",
        "-",
        "1e9",
        ".",
        "20131007".ljust(20),
    ]
)


@given(
    st.sampled_from(CALLS),
    st.dictionaries(st.sampled_from(NAMES), VALUES | st.text(max_size=9)),
    st.booleans(),
)
def test_any_parameters_get_rows_or_a_code(
    call: wire.Call, parameters: dict[str, str], continues: bool
) -> None:
    """KIS-224, OB-992: a page or one refusal."""
    small: Any = SMALL
    try:
        page = small.calls.answer(call.path, call.tr_id, Asked(parameters, NINE + MINUTE, continues, {}))
    except RefusedCallError:
        return
    assert page.tr_cont in {"", "F", "M", "D", "E"}


SMALL = Fixture(market=Market([tape()], "20131007"))
