"""Public market data of Binance spot: hosts, streams, paths and limits as data; no account is needed for any of it."""
