"""Text of the wire made from trades: the records of a data frame, rounded as the broker rounds (KIS-120, KIS-140).

Every computed field follows the column "how the simulator fills it" of the trade record's table. Integers only: rates
are hundredths of a per cent, rounded half away from zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from veritape.replay.packing import Frame
from veritape.replay.series import OPEN_MS, Series, Trade
from veritape.replay.symbols import Symbol
from veritape.wire.kis.frames import PRESENT_WIDTH, TRADES_KRX

ASK_ABOVE_KRW: Final = 100
"""Best ask above the last price where no quotes are bundled (OB-805)."""

CLOSE_MS: Final = 15 * 3_600_000 + 30 * 60_000
"""End of the regular session for MARKET_CLS_CODE."""

CLOSING_PRICE_MS: Final = 16 * 3_600_000
"""End of trading at the closing price."""

UP, SAME, DOWN = 2, 3, 5
"""Signs of a difference (KIS-140)."""


class Skew(NamedTuple):
    """How far the broker's stamps are ahead of the tape, and when (``clock_skew``)."""

    ms: int
    """Milliseconds, negative for behind."""
    from_ms: int
    """Beginning, tape time."""
    until_ms: int
    """End."""


@dataclass(frozen=True)
class Listing:
    """What rendering needs of a symbol's day."""

    symbol: Symbol
    """Static facts."""
    day: str
    """Business date, YYYYMMDD."""
    open_price: int
    """First price: open, reference and VI price."""
    open_ms: int
    """When it traded."""
    skews: tuple[Skew, ...] = ()
    """How far the broker's stamps are ahead of the tape."""

    def skew_ms(self, tape_ms: int) -> int:
        """Return how far a stamp of this time is ahead."""
        return sum(skew.ms for skew in self.skews if skew.from_ms <= tape_ms < skew.until_ms)


def listing_of(symbol: Symbol, day: str, series: Series, skews: tuple[Skew, ...] = ()) -> Listing:
    """Join a symbol's facts with the first trade of its day."""
    first = series.trades[0]
    return Listing(symbol, day, first.price, first.ms, skews)


def frame_text(frame: Frame, trades: tuple[Trade, ...], listing: Listing, width: int) -> str:
    """Return a data frame as sent."""
    return joined(TRADES_KRX, [record(trade, listing, width) for trade in trades[frame.first : frame.end]])


def joined(tr_id: str, records: Sequence[str]) -> str:
    """Return the plain frame of some records."""
    return f"0|{tr_id}|{len(records):03}|{'^'.join(records)}"


def record(trade: Trade, listing: Listing, width: int, insert: int | None = None) -> str:
    """Return one trade record.

    Args:
        trade: which one.
        listing: its symbol's day.
        width: fields of the record; beyond the known ones each is ``0``.
        insert: place of one field more, that of a fault.
    """
    fields = _fields(trade, listing)
    if width == 46 and insert is None:  # noqa: PLR2004 - the width itself
        return fields
    newest = str(market_class(trade.ms))
    if width == PRESENT_WIDTH and insert is None:
        return f"{fields}^{newest}"
    return of_width([*fields.split("^"), newest], width, insert)


def of_width(fields: list[str], width: int, insert: int | None = None) -> str:
    """Return a record cut or filled to a width, with one field more where ``insert`` says."""
    sized = fields[:width] + ["0"] * (width - len(fields))
    if insert is not None:
        sized.insert(insert, fields[-1])
    return "^".join(sized)


def _fields(trade: Trade, listing: Listing) -> str:
    price, reference, volume = trade.price, listing.open_price, trade.chain_shares
    low_difference, high_difference = price - trade.low, price - trade.high
    change, skew = price - reference, listing.skew_ms(trade.ms) if listing.skews else 0
    return (
        f"{listing.symbol.code}^{clock_text(trade.ms + skew)}^{price}^{sign(change)}^{change}^{ratio(100 * change, reference)}"
        f"^{ratio(trade.chain_value, volume)}^{reference}^{trade.high}^{trade.low}^{price + ASK_ABOVE_KRW}^{price}"
        f"^{trade.shares}^{volume}^{trade.chain_value}^{trade.sells}^{trade.buys}^{trade.buys - trade.sells}"
        f"^{ratio(100 * trade.bought_shares, trade.sold_shares)}^{trade.sold_shares}^{trade.bought_shares}^{trade.side}"
        f"^{ratio(trade.bought_shares, volume)}^{ratio(100 * volume, listing.symbol.previous_shares)}"
        f"^{clock_text(listing.open_ms + skew)}^{sign(change)}^{change}"
        f"^{clock_text(trade.high_ms + skew)}^{sign(high_difference)}^{high_difference}"
        f"^{clock_text(trade.low_ms + skew)}^{sign(low_difference)}^{low_difference}"
        f"^{listing.day}^20^{trade.halted}^1^1^1^1^{ratio(volume, 10 * listing.symbol.listed_thousand_shares)}^0^0.00"
        f"^{trade.hour_class}^^{reference}"
    )


def sign(difference: int) -> int:
    """Return the code of a difference's direction."""
    return UP if difference > 0 else DOWN if difference < 0 else SAME


def ratio(numerator: int, denominator: int) -> str:
    """Return a quotient with two decimals, half away from zero; 0.00 over zero."""
    if not denominator:
        return "0.00"
    hundredths = (200 * abs(numerator) + denominator) // (2 * denominator)
    minus = "-" if numerator < 0 and hundredths else ""
    return f"{minus}{hundredths // 100}.{hundredths % 100:02}"


def clock_text(ms: int) -> str:
    """Return HHMMSS of milliseconds since midnight; after 24:00 the clock begins anew."""
    return _second_text(ms // 1_000 % 86_400)


@lru_cache(maxsize=86_400)
def _second_text(seconds: int) -> str:
    return f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"


def market_class(ms: int) -> int:
    """Return MARKET_CLS_CODE of a time (KIS-185)."""
    if ms < OPEN_MS:
        return 1
    if ms < CLOSE_MS:
        return 2
    return 5 if ms < CLOSING_PRICE_MS else 3
