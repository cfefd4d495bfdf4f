"""Data frames of the WebSocket: transaction ids, record widths, field names (KIS-120 to 149).

A frame is ``flag|tr_id|count|field^field^...``. Its width, fields / count, selects the names; widths grow over the
years, so an unknown one is never read by the known prefix.
"""

from types import MappingProxyType
from typing import Final

TRADES_KRX: Final = "H0STCNT0"
"""Trades of KRX."""

TRADES_NXT: Final = "H0NXCNT0"
"""Trades of NXT."""

TRADES_BOTH: Final = "H0UNCNT0"
"""Trades of KRX and NXT together."""

BOOK_KRX: Final = "H0STASP0"
"""Order book of KRX."""

BOOK_NXT: Final = "H0NXASP0"
"""Order book of NXT."""

BOOK_BOTH: Final = "H0UNASP0"
"""Order book of KRX and NXT together."""

EXPECTED_KRX: Final = "H0STANC0"
"""Expected execution of KRX's call auctions."""

STATUS_KRX: Final = "H0STMKO0"
"""Market status of KRX."""

NOTICE_REAL: Final = "H0STCNI0"
"""Own executions of a real account, encrypted; registered by the account's HTS id."""

NOTICE_PAPER: Final = "H0STCNI9"
"""The same of a paper account."""

TRADE_STREAMS: Final = (TRADES_KRX, TRADES_NXT, TRADES_BOTH)
"""Streams of trades."""

BOOK_STREAMS: Final = (BOOK_KRX, BOOK_NXT, BOOK_BOTH)
"""Streams of order books."""

NOTICE_STREAMS: Final = (NOTICE_REAL, NOTICE_PAPER)
"""Streams of own executions."""

SYMBOL: Final = r"(?:[0-9A-Z]{6}|Q[0-9A-Z]{6})"
"""Pattern of a symbol: shares carry letters too (KIS-005)."""

HEADER_SEPARATOR: Final = "|"
"""Between flag, transaction id, count and payload; only the first three are separators."""

FIELD_SEPARATOR: Final = "^"
"""Between the fields of all records of a frame."""

PRESENT_WIDTH: Final = 47
"""Fields of a trade record since 2026-09-14."""

TRADE_46: Final = (
    "MKSC_SHRN_ISCD", "STCK_CNTG_HOUR", "STCK_PRPR", "PRDY_VRSS_SIGN", "PRDY_VRSS", "PRDY_CTRT",
    "WGHN_AVRG_STCK_PRC", "STCK_OPRC", "STCK_HGPR", "STCK_LWPR", "ASKP1", "BIDP1", "CNTG_VOL", "ACML_VOL",
    "ACML_TR_PBMN", "SELN_CNTG_CSNU", "SHNU_CNTG_CSNU", "NTBY_CNTG_CSNU", "CTTR", "SELN_CNTG_SMTN",
    "SHNU_CNTG_SMTN", "CCLD_DVSN", "SHNU_RATE", "PRDY_VOL_VRSS_ACML_VOL_RATE", "OPRC_HOUR",
    "OPRC_VRSS_PRPR_SIGN", "OPRC_VRSS_PRPR", "HGPR_HOUR", "HGPR_VRSS_PRPR_SIGN", "HGPR_VRSS_PRPR", "LWPR_HOUR",
    "LWPR_VRSS_PRPR_SIGN", "LWPR_VRSS_PRPR", "BSOP_DATE", "NEW_MKOP_CLS_CODE", "TRHT_YN", "ASKP_RSQN1",
    "BIDP_RSQN1", "TOTAL_ASKP_RSQN", "TOTAL_BIDP_RSQN", "VOL_TNRT", "PRDY_SMNS_HOUR_ACML_VOL",
    "PRDY_SMNS_HOUR_ACML_VOL_RATE", "HOUR_CLS_CODE", "MRKT_TRTM_CLS_CODE", "VI_STND_PRC",
)  # fmt: skip
"""Names of a trade record's fields before 2026-09-14 (KIS-140)."""

TRADE_47: Final = (*TRADE_46, "MARKET_CLS_CODE")
"""Names since then."""


BOOK_LEVELS: Final = 10
"""Price levels a side of an order book."""

BOOK_59: Final = (
    "MKSC_SHRN_ISCD", "BSOP_HOUR", "HOUR_CLS_CODE",
    *(f"{side}P{level}" for side in ("ASK", "BID") for level in range(1, BOOK_LEVELS + 1)),
    *(f"{side}P_RSQN{level}" for side in ("ASK", "BID") for level in range(1, BOOK_LEVELS + 1)),
    "TOTAL_ASKP_RSQN", "TOTAL_BIDP_RSQN", "OVTM_TOTAL_ASKP_RSQN", "OVTM_TOTAL_BIDP_RSQN", "ANTC_CNPR", "ANTC_CNQN",
    "ANTC_VOL", "ANTC_CNTG_VRSS", "ANTC_CNTG_VRSS_SIGN", "ANTC_CNTG_PRDY_CTRT", "ACML_VOL", "TOTAL_ASKP_RSQN_ICDC",
    "TOTAL_BIDP_RSQN_ICDC", "OVTM_TOTAL_ASKP_ICDC", "OVTM_TOTAL_BIDP_ICDC", "STCK_DEAL_CLS_CODE",
)  # fmt: skip
"""Names of an order book's fields as the vendor documents them (KIS-160); it carries no date."""

BOOK_62: Final = (*BOOK_59, "KMID_PRC", "KMID_TOTAL_RSQN", "KMID_CLS_CODE")
"""With the mid price of KRX, seen from 2026-06-08 on."""

BOOK_63: Final = (*BOOK_62, "MARKET_CLS_CODE")
"""On KRX since 2026-09-14."""

BOOK_65: Final = (*BOOK_62, "NMID_PRC", "NMID_TOTAL_RSQN", "NMID_CLS_CODE")
"""With the mid price of NXT, on NXT and both together."""

BOOK_66: Final = (*BOOK_65, "ANTC_EXCH_CLS_CODE")
"""On both together since 2026-09-14."""


def _of_other_venues(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("CNTG_CLS_CODE" if name == "CCLD_DVSN" else name for name in names)


EXPECTED_45: Final = TRADE_46[:45]
"""Names of an expected execution: price and volume are expected ones (KIS-165)."""

STATUS_11: Final = (
    "MKSC_SHRN_ISCD", "TRHT_YN", "TR_SUSP_REAS_CNTT", "MKOP_CLS_CODE", "ANTC_MKOP_CLS_CODE", "MRKT_TRTM_CLS_CODE",
    "DIVI_APP_CLS_CODE", "ISCD_STAT_CLS_CODE", "VI_CLS_CODE", "OVTM_VI_CLS_CODE", "EXCH_CLS_CODE",
)  # fmt: skip
"""Names of a market status record (KIS-166)."""

NOTICE_26: Final = (
    "CUST_ID", "ACNT_NO", "ODER_NO", "OODER_NO", "SELN_BYOV_CLS", "RCTF_CLS", "ODER_KIND", "ODER_COND",
    "STCK_SHRN_ISCD", "CNTG_QTY", "CNTG_UNPR", "STCK_CNTG_HOUR", "RFUS_YN", "CNTG_YN", "ACPT_YN", "BRNC_NO", "ODER_QTY",
    "ACNT_NAME", "ORD_COND_PRC", "ORD_EXG_GB", "POPUP_YN", "FILLER", "CRDT_CLS", "CRDT_LOAN_DATE", "CNTG_ISNM40",
    "ODER_PRC",
)  # fmt: skip
"""Names of an execution notice (KIS-163)."""

FIELD_NAMES: Final = MappingProxyType(
    {
        (TRADES_KRX, 46): TRADE_46,
        (TRADES_KRX, 47): TRADE_47,
        **{(tr, 46): _of_other_venues(TRADE_46) for tr in (TRADES_NXT, TRADES_BOTH)},
        **{(tr, 47): _of_other_venues(TRADE_47) for tr in (TRADES_NXT, TRADES_BOTH)},
        (BOOK_KRX, 59): BOOK_59,
        (BOOK_KRX, 62): BOOK_62,
        (BOOK_KRX, 63): BOOK_63,
        (BOOK_NXT, 65): BOOK_65,
        (BOOK_BOTH, 65): BOOK_65,
        (BOOK_BOTH, 66): BOOK_66,
    }
)
"""(transaction id, width) -> names in order of the trade and book streams: the registry of KIS-124."""

OTHER_NAMES: Final = MappingProxyType(
    {
        (EXPECTED_KRX, 45): EXPECTED_45,
        (STATUS_KRX, 11): STATUS_11,
        **{(tr, 26): NOTICE_26 for tr in NOTICE_STREAMS},
    }
)
"""The same of streams that are not recorded: the broker sends them, the recorder never registers them."""

KNOWN_WIDTHS: Final = MappingProxyType(
    {
        tr_id: tuple(width for known, width in (*FIELD_NAMES, *OTHER_NAMES) if known == tr_id)
        for tr_id, _ in (*FIELD_NAMES, *OTHER_NAMES)
    }
)
"""Transaction id -> widths that were seen, oldest first (KIS-122)."""

PRESENT_WIDTHS: Final = MappingProxyType({tr_id: widths[-1] for tr_id, widths in KNOWN_WIDTHS.items()})
"""Transaction id -> width since 2026-09-14."""
