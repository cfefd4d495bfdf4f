"""Settings of ``veritape record`` with ``observer.venue = "BINANCE"`` (OB-981): no account, nothing secret."""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from veritape.kernel.settings import Settings
from veritape.observer.settings import (
    LOOPBACK_HOSTS,
    BackupSettings,
    JournalSettings,
    RetentionSettings,
    SegmentSettings,
    SessionSettings,
    TelemetrySettings,
)
from veritape.wire.binance.rest import REST_URL, WEIGHT_PER_MINUTE
from veritape.wire.binance.streams import NAMES_PER_CONNECTION, STREAM_URL, STREAMS, SYMBOL

MOST_CODES = NAMES_PER_CONNECTION // len(STREAMS)
"""Symbols of one connection."""


class BinanceObserverSettings(Settings):
    """``[observer]``"""  # noqa: D415 - a table's name

    data_dir: Path
    """Folder of everything that is recorded."""
    venue: Literal["BINANCE"]
    """Venue of this recording; volumes of different venues are never added."""


class BinanceSettings(Settings):
    """``[binance]``"""  # noqa: D415 - a table's name

    codes: Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_CODES)]
    """Symbols to record, as ``BTCUSDT``; 1 to 341, which is what one connection carries."""
    rest_url: str = REST_URL
    """REST address; ``https://api.binance.com`` serves single trades too. Plain http for loopback hosts only."""
    stream_url: str = STREAM_URL
    """WebSocket address, without the path; plain ws for loopback hosts only."""
    book_ticker: bool = True
    """Record the best bid and ask at each change: most of the bytes, and proof of nothing."""
    depth: bool = True
    """Record the changes of the books, with a snapshot whenever their chain broke."""
    weight_per_minute: Annotated[int, Field(ge=60, le=WEIGHT_PER_MINUTE)] = WEIGHT_PER_MINUTE // 2
    """Weight of any 60 seconds that may be used, 60 to 6,000; half of what the address may use."""
    check_seconds: Annotated[int, Field(ge=5, le=3_600)] = 60
    """Seconds between two checks that the stream is where the venue is, 5 to 3,600."""

    @field_validator("codes")
    @classmethod
    def _symbols(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [code for code in codes if not re.fullmatch(SYMBOL, code)]
        if wrong or len(set(codes)) != len(codes):
            raise ValueError(
                f"{', '.join(wrong) or 'a code twice'}: expected 2 to 12 digits and capitals, each once"
            )
        return codes

    @field_validator("rest_url", "stream_url")
    @classmethod
    def _secure_or_loopback(cls, url: str) -> str:
        parts = urlsplit(url)
        plain = parts.scheme in {"http", "ws"} and parts.hostname in LOOPBACK_HOSTS
        if parts.scheme not in {"https", "wss"} and not plain:
            raise ValueError("must be https or wss; http and ws are for loopback hosts only")
        return url.rstrip("/")


class FillSettings(Settings):
    """``[backfill]``"""  # noqa: D415 - a table's name

    enabled: bool = True
    """Fetch the trades of holes."""
    after_seconds: Annotated[int, Field(ge=0, le=3_600)] = 10
    """Age from which a hole is fetched, 0 to 3,600: late messages come first."""


class BinanceRecordSettings(Settings):
    """Everything that ``veritape record`` reads for this venue."""

    observer: BinanceObserverSettings
    """Where and what."""
    binance: BinanceSettings
    """Which symbols, from where."""
    backfill: FillSettings = FillSettings()
    """What is fetched afterwards."""
    session: SessionSettings = SessionSettings()
    """The connection."""
    journal: JournalSettings = JournalSettings()
    """Durability."""
    segments: SegmentSettings = SegmentSettings()
    """Sealing."""
    retention: RetentionSettings = RetentionSettings()
    """How long files stay here."""
    backup: BackupSettings = BackupSettings()
    """The copy elsewhere."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """Metrics."""
