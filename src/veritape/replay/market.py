"""The market at one instant of the tape: what has happened to each code so far (OB-802).

Quotes, by-time rows and the stream all follow from the trades up to the instant, so that they agree (KIS-071).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from veritape.replay.packing import Frame
from veritape.replay.rendering import ASK_ABOVE_KRW, Listing, Skew, clock_text, listing_of, ratio, sign
from veritape.replay.schedule import asked_ms
from veritape.replay.series import Series, Trade
from veritape.replay.symbols import symbol_of
from veritape.wire.kis.master import KOSPI

CLONES_FROM: Final = 991_000
"""First code of the copies that ``--multiply`` makes (OB-811)."""

NXT_FROM_MS: Final = 32_430_000
"""NXT's main session begins at 09:00:30 (KIS-187), milliseconds since midnight in Seoul."""

NXT_UNTIL_MS: Final = 55_200_000
"""Its end, 15:20:00; what NXT trades before and after is not on the tape."""

PRICE_LIMIT: Final = (7, 13)
"""Daily price limits in tenths of the reference price."""


class PhaseKind(StrEnum):
    """Why a code does not trade for a while (KIS-183)."""

    VI = "vi"
    """Volatility interruption: two minutes of call auction."""
    HALT = "halt"
    """Halt."""


class Phase(NamedTuple):
    """A span in which a code does not trade."""

    code: str
    """Symbol."""
    kind: PhaseKind
    """Why."""
    from_ms: int
    """Beginning, tape time."""
    until_ms: int
    """End: its trades happen here."""


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

    def __init__(
        self,
        happened: Iterable[Series],
        day: str,
        *,
        shown: Callable[[Series], Series] = lambda series: series,
        skews: tuple[Skew, ...] = (),
        phases: tuple[Phase, ...] = (),
    ) -> None:
        self.day = day
        """Business date, YYYYMMDD."""
        self.quoted = {
            one.code: Quoted(shown(one), one, listing_of(symbol_of(one.code), day, one, skews))
            for one in happened
        }
        """Code -> its day."""
        self.phases = phases
        """Interruptions and halts of the day."""
        self._nxt: Market | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """Return every code, sorted."""
        return tuple(sorted(self.quoted))

    def last(self, code: str, now_ms: int) -> Trade | None:
        """Return the last trade of a code that happened by now."""
        quoted = self.quoted[code]
        happened = quoted.series.happened(now_ms)
        return quoted.series.trades[happened - 1] if happened else None

    def flag(self, code: str, kind: PhaseKind, now_ms: int) -> str:
        """Return Y while a code is in a phase of a kind, else N."""
        inside = any(
            phase.code == code and phase.kind is kind and phase.from_ms <= now_ms < phase.until_ms
            for phase in self.phases
        )
        return "Y" if inside else "N"

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
            "temp_stop_yn": self.flag(code, PhaseKind.HALT, now_ms),
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
            "vi_cls_code": self.flag(code, PhaseKind.VI, now_ms),
            "ovtm_vi_cls_code": "N",
            "short_over_yn": "N",
            "sltr_yn": "N",
            "mang_issu_cls_code": "N",
            "mrkt_warn_cls_code": "00",
        }

    def by_time_rows(self, code: str, now_ms: int, hour: str, limit: int) -> list[dict[str, str]]:
        """Return trades at or before HHMMSS by the broker's stamps, newest first (KIS-059, KIS-061)."""
        listing = self.quoted[code].listing
        trades = self._latest(code, min(now_ms, asked_ms(hour, now_ms) - listing.skew_ms(now_ms)), limit)
        return [_by_time_row(trade, listing) for trade in trades]

    def last_rows(self, code: str, now_ms: int, limit: int) -> list[dict[str, str]]:
        """Return the last trades, newest first: without running totals (KIS-059)."""
        listing = self.quoted[code].listing
        rows = [_by_time_row(trade, listing) for trade in self._latest(code, now_ms, limit)]
        return [
            {name: text for name, text in row.items() if name not in {"acml_vol", "cnqn", "askp", "bidp"}}
            | {"cntg_vol": row["cnqn"]}
            for row in rows
        ]

    def venue(self, market: str) -> "Market":
        """Return the market of a ``FID_COND_MRKT_DIV_CODE``: NXT trades in hours of its own, with totals of its own.

        The tape is played on each venue by itself; both together (UN) show KRX's (KIS-167, KIS-187).
        """
        if market != "NX":
            return self
        if self._nxt is None:
            cut = (one.series.between(NXT_FROM_MS, NXT_UNTIL_MS) for one in self.quoted.values())
            self._nxt = Market([one for one in cut if one.trades], self.day)
        return self._nxt

    def of_frame(self, tape: "Market", frame: Frame) -> tuple[Trade, ...]:
        """Return the trades of this venue that a frame of the tape carries; none outside its hours."""
        own, whole = self.quoted.get(frame.code), tape.quoted[frame.code].series
        if own is None:
            return ()
        before = whole.happened(own.series.times_ms[0] - 1) if own.series is not whole else 0
        return own.series.trades[max(0, frame.first - before) : max(0, frame.end - before)]

    def _latest(self, code: str, until_ms: int, limit: int) -> list[Trade]:
        series = self.quoted[code].series
        end = series.happened(until_ms)
        return list(reversed(series.trades[max(0, end - limit) : end]))


def _by_time_row(trade: Trade, listing: Listing) -> dict[str, str]:
    reference = listing.open_price
    change = trade.price - reference
    return {
        "stck_cntg_hour": clock_text(trade.ms + listing.skew_ms(trade.ms)),
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
