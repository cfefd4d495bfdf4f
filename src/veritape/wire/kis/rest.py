"""REST calls: paths, transaction ids, row limits, headers (KIS-010 to 072)."""

from types import MappingProxyType
from typing import Final, NamedTuple


class Call(NamedTuple):
    """One quotation call."""

    path: str
    """Path below the host."""
    tr_id: str
    """Transaction id in the header of the same name."""
    rows: int
    """Most rows of one answer."""


QUOTATIONS: Final = "/uapi/domestic-stock/v1/quotations/"
"""Prefix of the quotation calls."""

INQUIRE_PRICE: Final = Call(QUOTATIONS + "inquire-price", "FHKST01010100", 1)
"""One symbol's price."""

MULTI_PRICE: Final = Call(QUOTATIONS + "intstock-multprice", "FHKST11300006", 30)
"""Prices of up to 30 symbols; not served to paper accounts."""

TRADES_BY_TIME: Final = Call(QUOTATIONS + "inquire-time-itemconclusion", "FHPST01060000", 30)
"""Trades of today at or before a time, newest first."""

BARS_TODAY: Final = Call(QUOTATIONS + "inquire-time-itemchartprice", "FHKST03010200", 30)
"""Minute bars of today at or before a time, newest first."""

BARS_PAST: Final = Call(QUOTATIONS + "inquire-time-dailychartprice", "FHKST03010230", 120)
"""Minute bars of a past day, kept about a year; not served to paper accounts."""

LAST_TRADES: Final = Call(QUOTATIONS + "inquire-ccnl", "FHKST01010300", 30)
"""The last 30 trades, without running totals."""

VOLUME_RANK: Final = Call(QUOTATIONS + "volume-rank", "FHPST01710000", 30)
"""Ranking by volume; not served to paper accounts."""

FLUCTUATION_RANK: Final = Call("/uapi/domestic-stock/v1/ranking/fluctuation", "FHPST01700000", 30)
"""Ranking by change of the price; not served to paper accounts."""

TRADING_DAYS: Final = Call(QUOTATIONS + "chk-holiday", "CTCA0903R", 20)
"""Which days are open, from a date on; asked once a day; not served to paper accounts."""

REAL_ONLY: Final = MappingProxyType(
    {
        MULTI_PRICE.tr_id: "prices of 30 symbols a call (set track_a.single_quote = true to sweep one by one)",
        BARS_PAST.tr_id: "minute bars of past days",
        VOLUME_RANK.tr_id: "the volume ranking",
        FLUCTUATION_RANK.tr_id: "the price-change ranking",
        TRADING_DAYS.tr_id: "the broker's trading calendar",
    }
)
"""Transaction ids that paper accounts do not have (KIS-015) -> the feature that is off without them."""

SEARCH_INFO: Final = Call(QUOTATIONS + "search-info", "CTPF1604R", 1)
"""Product information; python-kis asks for it."""

TOKEN_PATH: Final = "/oauth2/tokenP"  # noqa: S105 - a path
"""Issue of an access token."""

REVOKE_PATH: Final = "/oauth2/revokeP"
"""End of an access token before its time."""

APPROVAL_PATH: Final = "/oauth2/Approval"
"""Issue of a WebSocket approval key."""

HASHKEY_PATH: Final = "/uapi/hashkey"
"""Digest of an order body; the recorder never asks."""

MASTER_PATHS: Final = ("/common/master/kospi_code.mst.zip", "/common/master/kosdaq_code.mst.zip")
"""Archives of the listed symbols, one a market."""

MARKETS: Final = ("J", "NX", "UN")
"""``FID_COND_MRKT_DIV_CODE``: KRX, NXT, both."""

TOKEN_SECONDS: Final = 86_400
"""Life of an access token."""

SAME_TOKEN_SECONDS: Final = 6 * 3_600
"""A request this soon after an issue returns the same token."""

ISSUE_SECONDS: Final = 60
"""Least seconds between two token requests of one appkey."""

REQUESTS_PER_SECOND: Final = 18
"""Requests a sliding second of one account (notice of 2026-04-20)."""

REGISTRATIONS: Final = 41
"""Registrations on the one WebSocket of an appkey."""
