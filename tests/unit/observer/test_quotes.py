"""Rows of the quotation calls."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.quotes import (
    QUOTE_FIELDS,
    Quote,
    TimedTrade,
    quotes_of,
    single_quote_of,
    timed_trades_of,
)
from veritape.observer.reactions import Answer, AnswerReason, Reaction, classify


def answer(**document: Any) -> Answer:
    return Answer(Reaction.OK, "MCA00000", None, document)


def row(code: str = "990001", **changes: Any) -> dict[str, Any]:
    return {"inter_shrn_iscd": code, **{name: str(n) for n, name in enumerate(QUOTE_FIELDS, 1)}, **changes}


def test_rows_are_matched_by_code() -> None:
    """KIS-057, OB-210: never by position; an empty price is not there; a bad field is malformed."""
    rows = [
        row("990002"),
        row("990001"),
        row("990003", inter2_prpr=""),
        row("990004", acml_vol="x"),
        row("?"),
        5,
    ]
    quotes, malformed = quotes_of(answer(output=rows))
    assert sorted(quotes) == ["990001", "990002"]
    assert tuple(quotes["990001"])[1:] == tuple(range(1, 12))
    assert quotes["990001"].chain_shares == 9
    assert malformed == {"990004"}


def test_a_single_row_may_come_as_an_object() -> None:
    """KIS-023: the client accepts both."""
    assert list(quotes_of(answer(output=row()))[0]) == ["990001"]
    assert quotes_of(answer()) == ({}, set())


def test_timed_rows() -> None:
    """KIS-026, KIS-059, KIS-060: stck_prpr, else stck_pbpr; an answer without its output is missing_output."""
    good = {"stck_cntg_hour": "090014", "stck_prpr": "100", "acml_vol": "12", "cnqn": "2"}
    other = {**good, "stck_pbpr": "101"}
    del other["stck_prpr"]
    assert timed_trades_of(answer(output2=[good, other])) == [
        TimedTrade(32_414, 100, 12, 2),
        TimedTrade(32_414, 101, 12, 2),
    ]
    assert timed_trades_of(answer()) is AnswerReason.MISSING_OUTPUT
    for name, value in (("stck_cntg_hour", "99"), ("stck_prpr", ""), ("acml_vol", None), ("cnqn", "1e3")):
        assert timed_trades_of(answer(output2=[{**good, name: value}])) is AnswerReason.BAD_NUMBER


@given(
    st.recursive(
        st.none() | st.text(max_size=8) | st.integers(),
        lambda c: (
            st.lists(c, max_size=4)
            | st.dictionaries(
                st.sampled_from(["inter_shrn_iscd", "inter2_prpr", "stck_cntg_hour", "cnqn"]), c
            )
        ),
        max_leaves=10,
    )
)
def test_any_document_is_read(value: Any) -> None:
    """OB-992: total."""
    quotes_of(answer(output=value))
    timed_trades_of(answer(output2=value))


SINGLE = {
    "stck_shrn_iscd": "990001", "stck_prpr": "10", "stck_oprc": "9", "stck_hgpr": "12", "stck_lwpr": "8", "acml_vol": "500",
    "acml_tr_pbmn": "5000", "stck_sdpr": "9",
}  # fmt: skip


def single(**changes: str) -> tuple[dict[str, Quote], set[str]]:
    document = {"rt_cd": "0", "msg_cd": "MCA00000", "output": {**SINGLE, **changes}}
    return single_quote_of("990001", classify(200, json.dumps(document).encode()))


def test_a_single_price_is_a_quote_without_ask_and_bid() -> None:
    """OB-204, KIS-054, KIS-055: inquire-price carries neither."""
    expected = Quote("990001", 10, 9, 12, 8, None, None, None, None, 500, 5_000, 9)
    assert single() == ({"990001": expected}, set())


@pytest.mark.parametrize(
    ("changes", "malformed"),
    [({"stck_prpr": ""}, set()), ({"stck_shrn_iscd": "990002"}, set()), ({"acml_vol": ""}, {"990001"}),
     ({"stck_hgpr": "1e5"}, {"990001"})],
)  # fmt: skip
def test_a_single_price_that_cannot_be_read(changes: dict[str, str], malformed: set[str]) -> None:
    """OB-210, OB-991, KIS-057: an empty price or another code is no answer, another bad field malformed."""
    assert single(**changes) == ({}, malformed)
