"""Binance spot as a second venue: frames in; trades, chain facts and gaps out (OB-901 to 908).

The same journal, segments and audit as KRX; what differs is the proof of completeness. Trades are numbered, so a hole's
number of trades is the difference of two ids, and its quantity is unknown until it is filled.
"""
