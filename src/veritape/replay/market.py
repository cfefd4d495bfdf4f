"""The market at one instant of the tape: what has happened to each code so far (OB-802).

Quotes, by-time rows and the stream all follow from the trades up to the instant, so that they agree (KIS-071).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from veritape.replay.rendering import ASK_ABOVE_KRW, Listing, clock_text, listing_of, ratio, sign
from veritape.replay.series import Series, Trade
from veritape.replay.symbols import symbol_of
from veritape.wire.kis.master import KOSPI

CLONES_FROM: Final = 991_000
"""First code of the copies that ``--multiply`` makes (OB-811)."""

PRICE_LIMIT: Final = (7, 13)
"""Daily price limits in tenths of the reference price."""


@dataclass(frozen=True)
class Quoted:
    """A code with its whole day."""

    series: Series
    """All trades of the played span as the wire shows them."""
    happened: Series
    """The same trades as they happened: their totals never start again."""
    listing: Listing
    """Its static facts."""


class Market:
    """All codes of one day."""

    def __init__(self, series: Iterable[Series], day: str) -> None:
        self.day = day
        self.quoted = {
            one.code: Quoted(one, one, listing_of(symbol_of(one.code), day, one)) for one in series
        }

    @property
    def codes(self) -> tuple[str, ...]:
        """Return every code, sorted."""
        return tuple(sorted(self.quoted))

    def last(self, code: str, now_ms: int) -> Trade | None:
        """Return the last trade of a code that happened by now."""
        quoted = self.quoted[code]
        happened = quoted.series.happened(now_ms)
        return quoted.series.trades[happened - 1] if happened else None

    def multi_price_row(self, code: str, now_ms: int) -> dict[str, str]:
        """Return one row of the multi-price call (KIS-056)."""
        listing, trade = self.quoted[code].listing, self.last(code, now_ms)
        price, reference = trade.price if trade else listing.open_price, listing.open_price
        opened = listing.open_price if trade else 0
        return {
            "inter_shrn_iscd": code,
            "inter_kor_isnm": listing.symbol.name,
            "kospi_kosdaq_cls_name": "KOSPI" if listing.symbol.layout is KOSPI else "KOSDAQ",
            "mrkt_trtm_cls_name": "",
            "hour_cls_code": "0",
            "inter2_prpr": str(price),
            "inter2_prdy_vrss": str(price - reference),
            "prdy_vrss_sign": str(sign(price - reference)),
            "prdy_ctrt": ratio(100 * (price - reference), reference),
            "acml_vol": str(trade.chain_shares if trade else 0),
            "acml_tr_pbmn": str(trade.chain_value if trade else 0),
            "inter2_oprc": str(opened),
            "inter2_hgpr": str(trade.high if trade else 0),
            "inter2_lwpr": str(trade.low if trade else 0),
            "inter2_llam": str(reference * PRICE_LIMIT[0] // 10),
            "inter2_mxpr": str(reference * PRICE_LIMIT[1] // 10),
            "inter2_prdy_clpr": str(reference),
            "inter2_sdpr": str(reference),
            "oprc_vrss_hgpr_rate": ratio(100 * ((trade.high if trade else opened) - opened), opened),
            "inter2_askp": str(price + ASK_ABOVE_KRW if trade else 0),
            "inter2_bidp": str(price if trade else 0),
            "seln_rsqn": "1",
            "shnu_rsqn": "1",
            "total_askp_rsqn": "1",
            "total_bidp_rsqn": "1",
            "intr_antc_cntg_vrss": "0",
            "intr_antc_cntg_vrss_sign": "3",
            "intr_antc_cntg_prdy_ctrt": "0.00",
            "intr_antc_vol": "0",
        }

    def price_row(self, code: str, now_ms: int) -> dict[str, str]:
        """Return the object of inquire-price (KIS-054)."""
        row = self.multi_price_row(code, now_ms)
        listing = self.quoted[code].listing
        volume = int(row["acml_vol"])
        return {
            "iscd_stat_cls_code": "55",
            "rprs_mrkt_kor_name": row["kospi_kosdaq_cls_name"],
            "bstp_kor_isnm": listing.symbol.name,
            "temp_stop_yn": "N",
            "stck_prpr": row["inter2_prpr"],
            "prdy_vrss": row["inter2_prdy_vrss"],
            "prdy_vrss_sign": row["prdy_vrss_sign"],
            "prdy_ctrt": row["prdy_ctrt"],
            "acml_vol": row["acml_vol"],
            "acml_tr_pbmn": row["acml_tr_pbmn"],
            "prdy_vrss_vol_rate": ratio(100 * volume, listing.symbol.previous_shares),
            "stck_oprc": row["inter2_oprc"],
            "stck_hgpr": row["inter2_hgpr"],
            "stck_lwpr": row["inter2_lwpr"],
            "stck_mxpr": row["inter2_mxpr"],
            "stck_llam": row["inter2_llam"],
            "stck_sdpr": row["inter2_sdpr"],
            "aspr_unit": "1",
            "lstn_stcn": str(listing.symbol.listed_thousand_shares * 1000),
            "hts_avls": str(listing.open_price * listing.symbol.listed_thousand_shares * 1000 // 100_000_000),
            "vol_tnrt": ratio(volume, 10 * listing.symbol.listed_thousand_shares),
            "stck_shrn_iscd": code,
            "vi_cls_code": "N",
            "ovtm_vi_cls_code": "N",
            "short_over_yn": "N",
            "sltr_yn": "N",
            "mang_issu_cls_code": "N",
            "mrkt_warn_cls_code": "00",
        }

    def by_time_rows(self, code: str, now_ms: int, hour: str, limit: int) -> list[dict[str, str]]:
        """Return trades at or before HHMMSS, newest first (KIS-059, KIS-061)."""
        series = self.quoted[code].series
        asked_ms = (int(hour[:2]) * 3600 + int(hour[2:4]) * 60 + int(hour[4:]) + 1) * 1000 - 1
        end = series.happened(min(now_ms, asked_ms))
        reference = self.quoted[code].listing.open_price
        return [
            _by_time_row(trade, reference) for trade in reversed(series.trades[max(0, end - limit) : end])
        ]


def _by_time_row(trade: Trade, reference: int) -> dict[str, str]:
    change = trade.price - reference
    return {
        "stck_cntg_hour": clock_text(trade.ms),
        "stck_prpr": str(trade.price),
        "prdy_vrss": str(change),
        "prdy_vrss_sign": str(sign(change)),
        "prdy_ctrt": ratio(100 * change, reference),
        "askp": str(trade.price + ASK_ABOVE_KRW),
        "bidp": str(trade.price),
        "tday_rltv": ratio(100 * trade.bought_shares, trade.sold_shares),
        "acml_vol": str(trade.chain_shares),
        "cnqn": str(trade.shares),
    }


def multiplied(series: list[Series], copies: int) -> list[Series]:
    """Return the series and, for ``copies`` above 1, clones of them under codes of their own (OB-811)."""
    clones = [
        Series(str(CLONES_FROM + number), one.trades, one.times_ms)
        for number, one in enumerate(one for _ in range(copies - 1) for one in series)
    ]
    return series + clones
