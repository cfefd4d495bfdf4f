"""Offsets of the master files against the protocol's worked line."""

import itertools

import pytest

from veritape.wire.kis import master

LINE = (
    "990001   KR7990001000아이비엠                                ST1002700130000 NN5YYY NYNYNNNNN0NNNNNNNY"
    "0018190000000100001NNN00NNN000000020Y0900000035120440000000001001975061100000000109542500000000010954250000012"
    "      00NNYY00010450700002190200002190216604000072.5320130630019925781001NNN"
)
"""KIS-264."""


def test_the_worked_line_reads_as_stated() -> None:
    """KIS-080, KIS-081, KIS-082: 288 bytes, 284 characters, fields by byte offset."""
    line = LINE.encode("cp949")
    assert (len(LINE), len(line)) == (284, master.KOSPI.line_bytes)
    read = {name: line[span.start : span.end].decode("cp949") for name, span in master.KOSPI.fields.items()}
    stated = {
        "mksc_shrn_iscd": "990001   ", "stnd_iscd": "KR7990001000", "scrt_grp_cls_code": "ST", "etp_prod_cls_code": " ",
        "etpr_undt_objt_co_yn": "N", "stck_sdpr": "001819000", "trht_yn": "N", "sltr_yn": "N", "mang_issu_yn": "N",
        "mrkt_alrm_cls_code": "00", "prdy_vol": "000003512044", "stck_lstn_date": "19750611",
        "lstn_stcn": "000000001095425", "prdy_avls_scal": "019925781",
    }  # fmt: skip
    assert {name: read[name] for name in stated} == stated


@pytest.mark.parametrize("layout", [master.KOSPI, master.KOSDAQ])
def test_spans_are_ordered_and_inside_the_line(layout: master.Layout) -> None:
    """KIS-081: no field overlaps another or leaves the line."""
    spans = sorted(layout.fields.values())
    assert all(left.end <= right.start for left, right in itertools.pairwise(spans))
    assert spans[-1].end <= layout.line_bytes
