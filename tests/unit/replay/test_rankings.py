"""Rankings at an instant."""

from veritape.replay.market import Market
from veritape.replay.rankings import BY_CHANGE, BY_VOLUME, fluctuation, standings, volume_rank
from veritape.replay.series import SHIFT_MS, Row, Series, build

NINE = 32_400_000
ALL = {"fid_blng_cls_code": "0", "fid_rank_sort_cls_code": "0"}


def day(code: str, *trades: tuple[int, int, int]) -> Series:
    return build(code, [Row(NINE + SHIFT_MS + ms, price, size, auction=False) for ms, price, size in trades])


MARKET = Market(
    [
        day("000001", (0, 1000, 10), (1000, 1100, 10)),
        day("000002", (0, 2000, 100), (1000, 1900, 1)),
        day("000003", (5000, 50, 500)),
    ],
    "20131007",
)


def test_only_what_has_traded_is_ranked() -> None:
    """OB-802, KIS-066: every figure follows from the trades so far."""
    assert [one.code for one in standings(MARKET, NINE - 1)] == []
    assert [one.code for one in standings(MARKET, NINE)] == ["000001", "000002"]


def test_the_volume_ranking_has_its_fields_and_orders() -> None:
    """KIS-066: mksc_shrn_iscd and its kin; by volume or by value."""
    found = standings(MARKET, NINE + 9000)
    rows = volume_rank(found, ALL)
    assert [(row["data_rank"], row["mksc_shrn_iscd"], row["acml_vol"]) for row in rows] == [
        ("1", "000003", "500"), ("2", "000002", "101"), ("3", "000001", "20"),
    ]  # fmt: skip
    by_value = volume_rank(found, ALL | {"fid_blng_cls_code": "3"})
    assert [row["mksc_shrn_iscd"] for row in by_value] == ["000002", "000003", "000001"]
    assert set(rows[0]) >= {
        "stck_prpr", "prdy_ctrt", "prdy_vol", "avrg_vol", "vol_inrt", "vol_tnrt", "acml_tr_pbmn", "lstn_stcn",
    }  # fmt: skip
    for kind in BY_VOLUME:
        assert len(volume_rank(found, ALL | {"fid_blng_cls_code": kind})) == 3


def test_the_change_ranking_names_the_code_otherwise() -> None:
    """KIS-066: stck_shrn_iscd, times of high and low; rising or falling first."""
    found = standings(MARKET, NINE + 9000)
    rows = fluctuation(found, ALL)
    assert [(row["stck_shrn_iscd"], row["prdy_ctrt"]) for row in rows] == [
        ("000001", "10.00"), ("000003", "0.00"), ("000002", "-5.00"),
    ]  # fmt: skip
    assert (rows[0]["stck_hgpr"], rows[0]["hgpr_hour"], rows[0]["lwpr_hour"]) == ("1100", "090001", "090000")
    assert fluctuation(found, ALL | {"fid_rank_sort_cls_code": "1"})[0]["stck_shrn_iscd"] == "000002"
    for kind in BY_CHANGE:
        assert len(fluctuation(found, ALL | {"fid_rank_sort_cls_code": kind})) == 3


def test_bounds_leave_out_what_lies_outside() -> None:
    """KIS-053: price, volume and rate bounds; empty is no bound."""
    found = standings(MARKET, NINE + 9000)
    asked = ALL | {"fid_input_price_1": "100", "fid_input_price_2": "1500", "fid_vol_cnt": ""}
    assert [row["mksc_shrn_iscd"] for row in volume_rank(found, asked)] == ["000001"]
    assert [row["mksc_shrn_iscd"] for row in volume_rank(found, ALL | {"fid_vol_cnt": "101"})] == [
        "000003",
        "000002",
    ]
    rates = ALL | {"fid_rsfl_rate1": "-6", "fid_rsfl_rate2": "0"}
    assert [row["stck_shrn_iscd"] for row in fluctuation(found, rates)] == ["000003", "000002"]
