"""Settings of the second venue: every bad key named."""

from pathlib import Path
from typing import Any

import pytest

from veritape.kernel.errors import MisuseError
from veritape.kernel.settings import load_settings
from veritape.observer.binance.settings import MOST_CODES, BinanceRecordSettings
from veritape.wire.binance.rest import REST_URL
from veritape.wire.binance.streams import STREAM_URL

GOOD = """
[observer]
data_dir = "data"
venue = "BINANCE"
[binance]
codes = ["BTCUSDT", "ETHBTC"]
"""


def fields(table: Any) -> list[str]:
    return list(table.model_fields)


def load(text: str) -> BinanceRecordSettings:
    return load_settings(BinanceRecordSettings, text.encode(), {}, "VERITAPE_RECORD", "record.toml")


def test_no_account_is_needed() -> None:
    """OB-901, OB-981: symbols are enough; the hosts are those that serve market data only."""
    settings = load(GOOD)
    assert (settings.binance.rest_url, settings.binance.stream_url) == (REST_URL, STREAM_URL)
    assert (settings.binance.weight_per_minute, settings.backfill.enabled) == (3_000, True)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('rest_url = "http://api.binance.com"', "binance.rest_url"),
        ('stream_url = "ws://stream.binance.com"', "binance.stream_url"),
        ("weight_per_minute = 6001", "binance.weight_per_minute"),
        ("check_seconds = 4", "binance.check_seconds"),
        ("unknown = 4", "binance.unknown"),
        ("[kis]\nappkey = 'k'", "unknown key 'kis'"),
        ("[backfill]\nafter_seconds = -1", "backfill.after_seconds"),
    ],
)
def test_a_bad_key_is_named(more: str, words: str) -> None:
    """OB-981: unknown key, out of range: the message names it; exit 2."""
    with pytest.raises(MisuseError, match=words):
        load(GOOD + more)


@pytest.mark.parametrize(
    "codes",
    ['["btcusdt"]', '["A"]', "[]", '["BTCUSDT", "BTCUSDT"]', str([f"A{n}" for n in range(MOST_CODES + 1)])],
)
def test_codes_that_are_none(codes: str) -> None:
    """OB-002, OB-981: 2 to 12 digits and capitals, each once, no more than one connection carries."""
    with pytest.raises(MisuseError, match=r"binance\.codes"):
        load(GOOD.replace('["BTCUSDT", "ETHBTC"]', codes))


def test_loopback_may_be_plain() -> None:
    """OB-981: for tests and replays on this machine."""
    more = 'rest_url = "http://127.0.0.1:8/"\nstream_url = "ws://localhost:9"'
    settings = load(GOOD + more).binance
    assert (settings.rest_url, settings.stream_url) == ("http://127.0.0.1:8", "ws://localhost:9")


def test_every_setting_of_its_own_stands_in_the_guide() -> None:
    """OB-981: every setting is documented."""
    guide = (Path(__file__).resolve().parents[4] / "docs" / "guides" / "binance.md").read_text()
    tables = {name: field.annotation for name, field in BinanceRecordSettings.model_fields.items()}
    own = {name: table for name, table in tables.items() if name in {"observer", "binance", "backfill"}}
    keys = [f"{name}.{key}" for name, table in own.items() for key in fields(table)]
    assert len(keys) == 11
    assert [key for key in keys if f"`{key}`" not in guide] == []
    assert [name for name in tables if name not in own and f"`{name}.*`" not in guide] == []
