"""REST calls: paths, weights, limits, headers (OB-904, OB-908).

*Source*: github.com/binance/binance-spot-api-docs, rest-api.md and faqs/market_data_only.md of 2026-07.
"""

from typing import Final, NamedTuple


class Endpoint(NamedTuple):
    """One call."""

    path: str
    """Path below the host."""
    weight: int
    """What it costs of the minute's weight."""
    rows: int
    """Most rows of one answer."""


REST_URL: Final = "https://data-api.binance.vision"
"""Host that serves market data only; it lacks ``historicalTrades``, which ``https://api.binance.com`` has."""

HISTORICAL_TRADES: Final = Endpoint("/api/v3/historicalTrades", 25, 1000)
"""Single trades from an id on: ``fromId``."""

AGGREGATES: Final = Endpoint("/api/v3/aggTrades", 4, 1000)
"""Fills of one taker at one price, from an aggregate's id (``fromId``) or a time in ms (``startTime``) on; the newest without either."""

KLINES: Final = Endpoint("/api/v3/klines", 2, 1000)
"""Bars with trade count and volume."""

DEPTH: Final = Endpoint("/api/v3/depth", 50, 1000)
"""The book, 1,000 levels a side."""

ENDPOINTS: Final = (HISTORICAL_TRADES, AGGREGATES, KLINES, DEPTH)
"""Everything that is called."""

WEIGHT_PER_MINUTE: Final = 6_000
"""Weight that an address may use in a minute."""

WEIGHT_HEADER: Final = "X-MBX-USED-WEIGHT-1M"
"""Header with the weight that the address has used in the running minute."""

RETRY_HEADER: Final = "Retry-After"
"""Header of 429 and 418 with the seconds to wait."""

TOO_MANY: Final = 429
"""Status: back off."""

BANNED: Final = 418
"""Status: the address is banned, from two minutes to three days."""

LONGEST_BAN_S: Final = 3 * 86_400
"""Three days, the longest ban."""
