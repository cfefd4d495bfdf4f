"""Names of the streams."""

import re

import pytest

from veritape.wire.binance import streams


@pytest.mark.parametrize(
    ("code", "legal"),
    [("BTCUSDT", True), ("1INCHUSDT", True), ("B", False), ("ABCDEFGHIJKLM", False), ("btcusdt", False)],
)
def test_symbols_of_the_second_venue(code: str, legal: bool) -> None:
    """OB-002: on Binance a code is 2 to 12 digits and capitals."""
    assert bool(re.fullmatch(streams.SYMBOL, code)) == legal


def test_what_is_recorded_of_a_symbol() -> None:
    """OB-901: trades, best prices and book changes, from the host without accounts."""
    assert streams.STREAMS == ("trade", "bookTicker", "depth@100ms")
    assert streams.STREAM_URL.startswith("wss://")
