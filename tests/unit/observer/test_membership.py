"""The day's universe as a document."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.canonical import canonical_json, parse_canonical_json
from veritape.kernel.errors import PeerError
from veritape.observer import membership
from veritape.observer.membership import DEFAULT_EXCLUDE, Exclusion, Filter, kinds_of
from veritape.observer.universe import Listed, MasterFile, UniverseReason, read_archive
from veritape.replay.symbols import master_archive, master_line, symbol_of
from veritape.wire.kis.master import KOSDAQ, KOSPI, Layout

STAMP = (2013, 10, 7, 5, 0, 0)
LISTED = Listed(
    "000001", "x", "ST", 4_000, 1, 1, etp="", spac=False, halted=False, liquidation=False, administrative=False,
    isin="KR7000001000", market="KOSPI", preferred=False,
)  # fmt: skip


def read(layout: Layout, **prices: int) -> MasterFile:
    lines = [master_line(symbol_of(code.strip("_")), price) for code, price in prices.items()]
    return read_archive(master_archive(layout, lines, STAMP), layout)


FILES = [read(KOSPI, _990001=1_819_000, _99000K=1_600_000, _100000=3_999), read(KOSDAQ, _990003=139_000)]


def file_of(count: int) -> MasterFile:
    return read(KOSPI, **{f"_1{number:05}": 5_000 for number in range(count)})


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({}, None),
        ({"reference_price": 3_999}, Exclusion.PRICE),
        ({"halted": True}, Exclusion.HALTED),
        ({"administrative": True}, Exclusion.ADMINISTRATIVE),
        ({"liquidation": True}, Exclusion.LIQUIDATION),
        ({"spac": True}, Exclusion.SPAC),
        ({"group": "EF"}, Exclusion.ETF),
        ({"group": "FE"}, Exclusion.ETF),
        ({"etp": "1"}, Exclusion.ETF),
        ({"group": "EN", "etp": "3"}, Exclusion.ETN),
        ({"group": "EW"}, Exclusion.ELW),
        *(({"group": group}, Exclusion.FUND) for group in ("MF", "SC", "IF", "BC")),
        ({"etp": "5"}, Exclusion.FUND),
        ({"etp": "8"}, Exclusion.FUND),
        *(({"group": group}, Exclusion.RIGHT) for group in ("SW", "SR")),
        *(({"group": group}, None) for group in ("DR", "FS", "RT")),
        ({"preferred": True}, None),
        ({"halted": True, "reference_price": 1}, Exclusion.HALTED),
    ],
)
def test_the_default_filter(change: dict[str, object], rule: Exclusion | None) -> None:
    """OB-102: price, group, no products, nothing halted, administrative or in liquidation; preferred, DR, FS, RT stay."""
    assert Filter().exclusion(Listed(**{**LISTED._asdict(), **change})) is rule


def test_each_rule_is_a_setting_but_rights_and_price() -> None:
    """OB-981: universe.exclude is a subset of eleven; first seven and fund by default."""
    assert (*tuple(Exclusion)[:7], Exclusion.FUND) == DEFAULT_EXCLUDE
    everything = Filter(exclude=tuple(Exclusion))
    nothing = Filter(exclude=())
    for listed, kind in (
        (LISTED._replace(preferred=True), Exclusion.PREFERRED),
        (LISTED._replace(group="RT"), Exclusion.REIT),
        (LISTED._replace(group="DR"), Exclusion.FOREIGN),
        (LISTED._replace(spac=True), Exclusion.SPAC),
    ):
        assert kinds_of(listed) == {kind}
        assert (everything.exclusion(listed), nothing.exclusion(listed)) == (kind, None)
    assert nothing.exclusion(LISTED._replace(group="SR")) is Exclusion.RIGHT
    assert nothing.exclusion(LISTED._replace(reference_price=0)) is Exclusion.PRICE


def test_the_days_document_holds_everything() -> None:
    """OB-101, OB-103, OB-105, OB-106: by market capitalisation, with rules, sources, what was left out, and its digest."""
    one = membership.document("20131007", FILES, Filter(min_count=1), None)
    assert [symbol["code"] for symbol in one["symbols"]] == ["990001", "990003", "99000K"]
    assert one["symbols"][0] == {
        "code": "990001", "isin": "KR7990001000", "name": "아이비엠", "market": "KOSPI", "group": "ST",
        "reference_price_krw": 1_819_000, "previous_shares": 3_512_044, "market_cap_100m_krw": 19_925_781, "flags": [],
    }  # fmt: skip
    assert one["symbols"][1]["market"] == "KOSDAQ"
    assert one["excluded"] == {"price": 1}
    assert (one["count"], one["created"], one["deleted"], one["previous"]) == (3, [], [], None)
    assert (one["format"], one["market"], one["provenance"]) == ("veritape.universe.v1", "kr_stocks", "fresh")
    assert [source["name"] for source in one["sources"]] == ["kospi_code.mst", "kosdaq_code.mst"]
    assert one["sources"][0]["entry_time"] == "2013-10-07 05:00:00"
    assert one["filter"] == {
        "min_price_krw": 4_000, "min_count": 1, "max_shrink_percent": 30,
        "exclude": ["administrative", "elw", "etf", "etn", "fund", "halted", "liquidation", "spac"],
    }  # fmt: skip
    assert one["blake3"] == membership.digest(one)
    assert parse_canonical_json(canonical_json(one)) == one


def test_created_and_deleted_are_the_differences_by_code() -> None:
    """OB-107: against the previous session's file, which is named with its digest."""
    before = {"day": "20131004", "blake3": "b" * 64, "symbols": [{"code": "990001"}, {"code": "000002"}]}
    one = membership.document("20131007", FILES, Filter(min_count=1), before)
    assert (one["created"], one["deleted"]) == (["990003", "99000K"], ["000002"])
    assert one["previous"] == {"day": "20131004", "blake3": "b" * 64}


@pytest.mark.parametrize(
    ("before", "least", "shrink", "refused"),
    [
        (10, 1, 30, False),
        (11, 1, 30, True),
        (0, 8, 30, True),
        (0, 7, 30, False),
        (14, 1, 50, False),
        (8, 1, 5, True),
    ],
)
def test_a_collapsed_list_is_refused(before: int, least: int, shrink: int, refused: bool) -> None:
    """OB-108, OB-109: seven symbols against 70 % of the last list, or min_count; on the first day only that."""
    rule = Filter(min_count=least, max_shrink_percent=shrink)
    previous = (
        {"day": "d", "blake3": "", "symbols": [{"code": str(n)} for n in range(before)]} if before else None
    )
    one = membership.document("20131008", [file_of(7)], rule, previous)
    if not refused:
        membership.require_whole(one, rule, previous)
        return
    with pytest.raises(PeerError, match="universe of 20131008: 7 symbols") as refusal:
        membership.require_whole(one, rule, previous)
    assert refusal.value.reason is UniverseReason.UNIVERSE_COLLAPSED


def test_of_2050_symbols_1435_pass() -> None:
    """OB-108: the example."""
    assert (Filter().refuses(1_435, 2_050), Filter().refuses(1_434, 2_050)) == (False, True)


def test_a_kept_list_says_where_it_comes_from() -> None:
    """OB-108: yesterday's symbols with provenance kept_from; a list kept twice names its first day."""
    first = membership.document("20131007", FILES, Filter(min_count=1), None)
    second = membership.kept("20131008", first)
    third = membership.kept("20131010", second)
    assert [one["provenance"] for one in (first, second, third)] == [
        "fresh", "kept_from:20131007", "kept_from:20131007",
    ]  # fmt: skip
    assert third["symbols"] == first["symbols"]
    assert (third["day"], third["sources"], third["created"]) == ("20131010", [], [])
    assert third["previous"] == {"day": "20131008", "blake3": second["blake3"]}
    assert third["blake3"] == membership.digest(third) != second["blake3"]
    assert membership.origin(third) == "20131007"


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_created_minus_deleted_is_the_change_of_the_count(before: set[int], after: set[int]) -> None:
    """OB-107: for any two lists."""
    previous = {"day": "a", "blake3": "", "symbols": [{"code": f"1{number:05}"} for number in sorted(before)]}
    files = [read(KOSPI, **{f"_1{number:05}": 5_000 for number in sorted(after)})]
    one = membership.document("b", files, Filter(min_count=0), previous)
    assert len(one["created"]) - len(one["deleted"]) == one["count"] - len(before)
