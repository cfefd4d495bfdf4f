"""The broker's rankings (KIS-066): calls, and their answers as (code, rank).

Example of a row, shortened: ``{"mksc_shrn_iscd":"990003","data_rank":"1","stck_prpr":"138900","acml_vol":"1200345"}``; the
price-change ranking calls the code ``stck_shrn_iscd``.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from veritape.observer.reactions import Answer, AnswerReason
from veritape.wire.kis.frames import SYMBOL
from veritape.wire.kis.rest import FLUCTUATION_RANK, VOLUME_RANK, Call

ASKED_SECONDS: Final = 60
"""Each list is asked for once in this time: two calls a minute."""


class RankingList(StrEnum):
    """Which ranking."""

    VOLUME = "volume"
    """By growth of the volume: what is unusual today, not what is always large."""
    FLUCTUATION = "fluctuation"
    """By rise of the price."""


class RankingCall(NamedTuple):
    """How a list is asked for."""

    call: Call
    parameters: Mapping[str, str]
    """Its query (KIS-053)."""
    code_field: str
    """What the list calls the code."""


CALLS: Final = MappingProxyType(
    {
        RankingList.VOLUME: RankingCall(
            VOLUME_RANK,
            {
                "FID_COND_MRKT_DIV_CODE": "J",
                "FID_COND_SCR_DIV_CODE": "20171",
                "FID_INPUT_ISCD": "0000",
                "FID_DIV_CLS_CODE": "0",
                "FID_BLNG_CLS_CODE": "1",
                "FID_TRGT_CLS_CODE": "111111111",
                "FID_TRGT_EXLS_CLS_CODE": "0000000000",
                "FID_INPUT_PRICE_1": "",
                "FID_INPUT_PRICE_2": "",
                "FID_VOL_CNT": "",
                "FID_INPUT_DATE_1": "",
            },
            "mksc_shrn_iscd",
        ),
        RankingList.FLUCTUATION: RankingCall(
            FLUCTUATION_RANK,
            {
                "fid_cond_mrkt_div_code": "J",
                "fid_cond_scr_div_code": "20170",
                "fid_input_iscd": "0000",
                "fid_rank_sort_cls_code": "0",
                "fid_input_cnt_1": "0",
                "fid_prc_cls_code": "0",
                "fid_input_price_1": "",
                "fid_input_price_2": "",
                "fid_vol_cnt": "",
                "fid_trgt_cls_code": "0",
                "fid_trgt_exls_cls_code": "0",
                "fid_div_cls_code": "0",
                "fid_rsfl_rate1": "",
                "fid_rsfl_rate2": "",
            },
            "stck_shrn_iscd",
        ),
    }
)
"""List -> call."""


def ranks_of(answer: Answer, ranking: RankingList) -> list[tuple[str, int]] | AnswerReason:
    """Return the codes of a ranking with their ranks, or why the answer cannot be read.

    A row whose code is malformed is left out; one without a rank has its place in the list as its rank.
    """
    output = answer.document.get("output")
    if not isinstance(output, list):
        return AnswerReason.MISSING_OUTPUT
    field = CALLS[ranking].code_field
    ranks = []
    for place, row in enumerate(output, 1):
        code = row.get(field) if isinstance(row, dict) else None
        if isinstance(code, str) and _SYMBOL.fullmatch(code):
            rank = row.get("data_rank")
            said = rank.strip(" ") if isinstance(rank, str) else ""
            ranks.append((code, int(said) if _RANK.fullmatch(said) else place))
    return ranks


_SYMBOL: Final = re.compile(SYMBOL)
_RANK: Final = re.compile(r"[1-9][0-9]{0,3}")
