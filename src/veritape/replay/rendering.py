"""Text of the wire made from trades: the records of a data frame, rounded as the broker rounds (KIS-120, KIS-140).

Every computed field follows the column "how the simulator fills it" of the trade record's table. Integers only: rates
are hundredths of a per cent, rounded half away from zero.
"""

from dataclasses import dataclass
from typing import Final

from veritape.replay.packing import Frame
from veritape.replay.series import OPEN_MS, Series, Trade
from veritape.replay.symbols import Symbol
from veritape.wire.kis.frames import TRADES_KRX

ASK_ABOVE_KRW: Final = 100
"""Best ask above the last price where no quotes are bundled (OB-805)."""

CLOSE_MS: Final = 15 * 3_600_000 + 30 * 60_000
"""End of the regular session for MARKET_CLS_CODE."""

CLOSING_PRICE_MS: Final = 16 * 3_600_000
"""End of trading at the closing price."""

UP, SAME, DOWN = 2, 3, 5
"""Signs of a difference (KIS-140)."""


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


def listing_of(symbol: Symbol, day: str, series: Series) -> Listing:
    """Join a symbol's facts with the first trade of its day."""
    first = series.trades[0]
    return Listing(symbol, day, first.price, first.ms)


def frame_text(frame: Frame, trades: tuple[Trade, ...], listing: Listing, width: int) -> str:
    """Return a data frame as sent."""
    records = "^".join(record(trade, listing, width) for trade in trades[frame.first : frame.end])
    return f"0|{TRADES_KRX}|{frame.end - frame.first:03}|{records}"


def record(trade: Trade, listing: Listing, width: int) -> str:
    """Return one trade record of 46 or 47 fields."""
    price, reference, volume = trade.price, listing.open_price, trade.chain_shares
    low_difference, high_difference = price - trade.low, price - trade.high
    change = price - reference
    fields = (
        f"{listing.symbol.code}^{clock_text(trade.ms)}^{price}^{sign(change)}^{change}^{ratio(100 * change, reference)}"
        f"^{ratio(trade.chain_value, volume)}^{reference}^{trade.high}^{trade.low}^{price + ASK_ABOVE_KRW}^{price}"
        f"^{trade.shares}^{volume}^{trade.chain_value}^{trade.sells}^{trade.buys}^{trade.buys - trade.sells}"
        f"^{ratio(100 * trade.bought_shares, trade.sold_shares)}^{trade.sold_shares}^{trade.bought_shares}^{trade.side}"
        f"^{ratio(trade.bought_shares, volume)}^{ratio(100 * volume, listing.symbol.previous_shares)}"
        f"^{clock_text(listing.open_ms)}^{sign(change)}^{change}"
        f"^{clock_text(trade.high_ms)}^{sign(high_difference)}^{high_difference}"
        f"^{clock_text(trade.low_ms)}^{sign(low_difference)}^{low_difference}"
        f"^{listing.day}^20^N^1^1^1^1^{ratio(volume, 10 * listing.symbol.listed_thousand_shares)}^0^0.00^0^^{reference}"
    )
    return fields if width == 46 else f"{fields}^{market_class(trade.ms)}"  # noqa: PLR2004 - the width itself


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
    """Return HHMMSS of milliseconds since midnight."""
    seconds = ms // 1_000
    return f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"


def market_class(ms: int) -> int:
    """Return MARKET_CLS_CODE of a time (KIS-185)."""
    if ms < OPEN_MS:
        return 1
    if ms < CLOSE_MS:
        return 2
    return 5 if ms < CLOSING_PRICE_MS else 3
