"""Order books as the wire has them: one level a side, as trades and quotes of the replay say (KIS-160).

A book follows each trade frame of its code, whatever became of that frame: its ACML_VOL is the second witness of lost
trades (KIS-161).
"""

from typing import Final

from veritape.replay.rendering import ASK_ABOVE_KRW, Listing, clock_text, joined, market_class, of_width
from veritape.replay.series import Trade
from veritape.wire.kis.frames import BOOK_LEVELS, FIELD_NAMES, PRESENT_WIDTHS

EMPTY_LEVELS: Final = ("0",) * (BOOK_LEVELS - 1)
"""Prices or sizes of levels that nobody fills."""


def book_frame(tr_id: str, trade: Trade, listing: Listing, width: int) -> str:
    """Return the book after a trade as a frame of one record.

    Args:
        tr_id: one of the three book streams.
        trade: last trade of the code.
        listing: its symbol's day.
        width: fields of the record; an unknown one cuts or fills the present record.
    """
    known = FIELD_NAMES.get((tr_id, width)) or FIELD_NAMES[tr_id, PRESENT_WIDTHS[tr_id]]
    values = _values(trade, listing)
    return joined(tr_id, [of_width([values[name] for name in known], width)])


def _values(trade: Trade, listing: Listing) -> dict[str, str]:
    ask, bid = trade.price + ASK_ABOVE_KRW, trade.price
    values = {
        "MKSC_SHRN_ISCD": listing.symbol.code,
        "BSOP_HOUR": clock_text(trade.ms + listing.skew_ms(trade.ms)),
        "HOUR_CLS_CODE": trade.hour_class,
        "TOTAL_ASKP_RSQN": "1",
        "TOTAL_BIDP_RSQN": "1",
        "ANTC_CNTG_VRSS_SIGN": "3",
        "ANTC_CNTG_PRDY_CTRT": "0.00",
        "ACML_VOL": str(trade.chain_shares),
        "KMID_PRC": str((ask + bid) // 2),
        "NMID_PRC": str((ask + bid) // 2),
        "MARKET_CLS_CODE": str(market_class(trade.ms)),
        "ANTC_EXCH_CLS_CODE": "1",
    }
    for stem, best in (("ASKP", ask), ("BIDP", bid), ("ASKP_RSQN", 1), ("BIDP_RSQN", 1)):
        levels = (str(best), *EMPTY_LEVELS)
        values |= {f"{stem}{level}": text for level, text in enumerate(levels, 1)}
    zeros = (
        "OVTM_TOTAL_ASKP_RSQN", "OVTM_TOTAL_BIDP_RSQN", "ANTC_CNPR", "ANTC_CNQN", "ANTC_VOL", "ANTC_CNTG_VRSS",
        "TOTAL_ASKP_RSQN_ICDC", "TOTAL_BIDP_RSQN_ICDC", "OVTM_TOTAL_ASKP_ICDC", "OVTM_TOTAL_BIDP_ICDC",
        "STCK_DEAL_CLS_CODE", "KMID_TOTAL_RSQN", "KMID_CLS_CODE", "NMID_TOTAL_RSQN", "NMID_CLS_CODE",
    )  # fmt: skip
    return values | dict.fromkeys(zeros, "0")
