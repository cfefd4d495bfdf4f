"""WebSocket streams: hosts, names, fields (OB-901).

*Source*: github.com/binance/binance-spot-api-docs, web-socket-streams.md and faqs/market_data_only.md of 2026-07.
"""

from typing import Final

STREAM_URL: Final = "wss://data-stream.binance.vision"
"""Host that serves market data only."""

STREAM_PATH: Final = "/stream"
"""Combined streams: each event comes as ``{"stream": name, "data": event}``; names stand in the query ``streams``."""

SYMBOL: Final = r"[0-9A-Z]{2,12}"
"""Pattern of a symbol (OB-002); stream names carry it in lower case."""

TRADE: Final = "trade"
"""Stream of single trades: ``btcusdt@trade``."""

BOOK_TICKER: Final = "bookTicker"
"""Stream of the best bid and ask, at each change."""

DEPTH: Final = "depth@100ms"
"""Stream of changes of the whole book, collected over 100 ms."""

STREAMS: Final = (TRADE, BOOK_TICKER, DEPTH)
"""What is recorded of a symbol."""

SHUTDOWN_STREAM: Final = "!serverShutdown"
"""Stream of the event that announces the end of a connection."""

SHUTDOWN_EVENT: Final = "serverShutdown"
"""Type of that event."""

TRADE_EVENT: Final = "trade"
"""Type of a trade: ``E`` sent ms, ``s`` symbol, ``t`` trade id, ``p`` price, ``q`` quantity, ``T`` traded ms, ``m`` buyer is maker."""

DEPTH_EVENT: Final = "depthUpdate"
"""Type of a book change: ``E`` sent ms, ``s``, ``U`` first and ``u`` last update id, ``b`` and ``a`` [price, quantity] pairs."""

PRICE_SCALE: Final = 8
"""Decimals of every price and quantity on the wire."""

CONNECTION_HOURS: Final = 24
"""Age at which the venue closes a connection."""

NAMES_PER_CONNECTION: Final = 1024
"""Most streams of one connection."""
