"""Rankings: the query of each list, and answers as the wire brings them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.rankings import CALLS, RankingList, ranks_of
from veritape.observer.reactions import Answer, AnswerReason, classify

VOLUME_BODY = (
    b'{"output":[{"hts_kor_isnm":"IBM","mksc_shrn_iscd":"990001","data_rank":"1","stck_prpr":"1818700",'
    b'"prdy_ctrt":"0.12","acml_vol":"140215","prdy_vol":"3512044","avrg_vol":"3512044","vol_inrt":"12.50"},'
    b'{"mksc_shrn_iscd":"99000K","data_rank":"2","acml_vol":"9"}],"rt_cd":"0","msg_cd":"MCA00000","msg1":"ok"}'
)
FLUCTUATION_BODY = (
    b'{"output":[{"stck_shrn_iscd":"990002","data_rank":" 1 ","hts_kor_isnm":"AIG","stck_prpr":"489200",'
    b'"prdy_ctrt":"2.10","acml_vol":"1200","stck_hgpr":"490000","hgpr_hour":"090100"},'
    b'{"stck_shrn_iscd":"990003"}],"rt_cd":"0","msg_cd":"MCA00000","msg1":"ok"}'
)


def answer(document: dict[str, Any]) -> Answer:
    return classify(200, json.dumps({"rt_cd": "0", "msg_cd": "MCA00000", **document}).encode())


def test_the_wires_bytes_are_codes_and_ranks() -> None:
    """KIS-066, OB-302: the two lists call the code by different names; a row without a rank has its place."""
    assert ranks_of(classify(200, VOLUME_BODY), RankingList.VOLUME) == [("990001", 1), ("99000K", 2)]
    assert ranks_of(classify(200, FLUCTUATION_BODY), RankingList.FLUCTUATION) == [
        ("990002", 1),
        ("990003", 2),
    ]
    assert ranks_of(classify(200, FLUCTUATION_BODY), RankingList.VOLUME) == []


@pytest.mark.parametrize("output", [None, {}, "x", 5])
def test_an_answer_without_a_list_has_no_ranks(output: object) -> None:
    """KIS-026."""
    assert ranks_of(answer({"output": output}), RankingList.VOLUME) is AnswerReason.MISSING_OUTPUT
    assert ranks_of(answer({}), RankingList.VOLUME) is AnswerReason.MISSING_OUTPUT


def test_rows_that_are_none_are_left_out() -> None:
    """OB-991: a broken row costs itself, not its neighbours."""
    rows = [
        "x",
        {"mksc_shrn_iscd": "../etc"},
        {"mksc_shrn_iscd": 5},
        {"mksc_shrn_iscd": "990001", "data_rank": "1e5"},
    ]
    assert ranks_of(answer({"output": rows}), RankingList.VOLUME) == [("990001", 4)]


def test_the_queries_have_every_parameter_of_the_wire() -> None:
    """KIS-053, OB-302: market, screen, all symbols; 9 and 10 flags."""
    volume, fluctuation = CALLS[RankingList.VOLUME], CALLS[RankingList.FLUCTUATION]
    assert (volume.call.tr_id, fluctuation.call.tr_id) == ("FHPST01710000", "FHPST01700000")
    assert volume.call.path.endswith("/quotations/volume-rank")
    assert fluctuation.call.path == "/uapi/domestic-stock/v1/ranking/fluctuation"
    assert {len(volume.parameters[f"FID_TRGT_{name}CLS_CODE"]) for name in ("", "EXLS_")} == {9, 10}
    assert (len(volume.parameters), len(fluctuation.parameters)) == (11, 14)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["mksc_shrn_iscd", "data_rank", "output"]), inner, max_size=3), max_leaves=12))  # fmt: skip
def test_any_document_gives_ranks_or_a_reason(output: Any) -> None:
    """OB-992: total."""
    found = ranks_of(answer({"output": output}), RankingList.VOLUME)
    assert isinstance(found, AnswerReason) or all(rank >= 1 for _, rank in found)
