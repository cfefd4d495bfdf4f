"""Byte offsets of the master files' lines (KIS-080 to 088): what both layouts mean by a field.

A line is bytes, not characters: a name of n Korean letters makes the character count 288 - n.
"""

from types import MappingProxyType
from typing import Final, NamedTuple


class Span(NamedTuple):
    """Half-open byte range of a field."""

    start: int
    end: int


class Layout(NamedTuple):
    """One market's line."""

    member: str
    """Name of the archive's only member."""
    line_bytes: int
    """Length of a line without its line feed."""
    fields: "MappingProxyType[str, Span]"
    """Field name -> bytes."""


def _layout(member: str, line_bytes: int, spans: dict[str, tuple[int, int]]) -> Layout:
    head = {
        "mksc_shrn_iscd": (0, 9), "stnd_iscd": (9, 21), "hts_kor_isnm": (21, 61), "scrt_grp_cls_code": (61, 63),
        "avls_scal_cls_code": (63, 64),
    }  # fmt: skip
    return Layout(
        member, line_bytes, MappingProxyType({name: Span(*span) for name, span in (head | spans).items()})
    )


KOSPI: Final = _layout(
    "kospi_code.mst",
    288,
    {
        "etp_prod_cls_code": (83, 84), "etpr_undt_objt_co_yn": (90, 91), "short_over_cls_code": (93, 94),
        "stck_sdpr": (102, 111), "frml_mrkt_deal_qty_unit": (111, 116), "trht_yn": (121, 122), "sltr_yn": (122, 123),
        "mang_issu_yn": (123, 124), "mrkt_alrm_cls_code": (124, 126), "flng_cls_code": (129, 131),
        "fcam_mod_cls_code": (131, 133), "icic_cls_code": (133, 135), "prdy_vol": (142, 154),
        "stck_lstn_date": (166, 174), "lstn_stcn": (174, 189), "prst_cls_code": (219, 220),
        "prdy_avls_scal": (273, 282),
    },
)  # fmt: skip
"""Main board."""

KOSDAQ: Final = _layout(
    "kosdaq_code.mst",
    282,
    {
        "etp_prod_cls_code": (79, 80), "etpr_undt_objt_co_yn": (85, 86), "short_over_cls_code": (88, 89),
        "invt_alrm_yn": (91, 92), "stck_sdpr": (97, 106), "frml_mrkt_deal_qty_unit": (106, 111), "trht_yn": (116, 117),
        "sltr_yn": (117, 118), "mang_issu_yn": (118, 119), "mrkt_alrm_cls_code": (119, 121), "flng_cls_code": (124, 126),
        "fcam_mod_cls_code": (126, 128), "icic_cls_code": (128, 130), "prdy_vol": (137, 149),
        "stck_lstn_date": (161, 169), "lstn_stcn": (169, 184), "prst_cls_code": (214, 215),
        "prdy_avls_scal": (267, 276),
    },
)  # fmt: skip
"""Second board."""

ZIP_BYTES: Final = 8 << 20
"""Largest archive that is opened."""

MEMBER_BYTES: Final = 16 << 20
"""Largest member that is read."""
