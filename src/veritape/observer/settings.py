"""Settings of ``veritape record``: TOML tables, each key with unit, range and reason (OB-981).

Secrets come from the environment (``VERITAPE_RECORD_KIS__APPKEY``) or from files; they print as stars.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from veritape.kernel.settings import Secret, Settings
from veritape.observer.backup import VERIFY
from veritape.observer.exports import ExportKind
from veritape.observer.membership import ALWAYS, DEFAULT_EXCLUDE, Exclusion
from veritape.observer.trigger_settings import TriggerSettings
from veritape.wire.kis.frames import SYMBOL
from veritape.wire.kis.rest import REGISTRATIONS, REQUESTS_PER_SECOND

LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
"""Hosts that may be reached without TLS."""

REAL_REST, REAL_WS = "https://openapi.koreainvestment.com:9443", "ws://ops.koreainvestment.com:21000"
"""The broker's real hosts (KIS-010)."""

PAPER_REST, PAPER_WS = "https://openapivts.koreainvestment.com:29443", "ws://ops.koreainvestment.com:31000"
"""Its hosts for paper accounts."""

PAPER_REQUESTS_PER_SECOND = 1
"""Requests a sliding second of a paper account (notice of 2026-04-20)."""

PORTS = 65_536
"""One more than the highest port."""

REAL_MASTER = "https://new.real.download.dws.co.kr"
"""Host of the master files."""


class ObserverSettings(Settings):
    """``[observer]``"""  # noqa: D415 - a table's name

    data_dir: Path
    """Folder of everything that is recorded."""
    venue: Literal["KRX"] = "KRX"
    """Venue of this recording; volumes of different venues are never added."""


class KeptSettings(ObserverSettings):
    """``[observer]`` of a recording of any venue, for those who only keep it."""

    venue: Literal["KRX", "BINANCE"] = "KRX"  # type: ignore[assignment]
    """Venue of this recording."""


class KisSettings(Settings):
    """``[kis]``"""  # noqa: D415 - a table's name

    appkey: Secret
    """Key of the account; from the environment or here, never printed."""
    appsecret: Secret
    """Its secret."""
    environment: Literal["real", "paper"] = "real"
    """``real`` or ``paper``: it chooses hosts and limits; paper accounts lack some calls, and what needs them is off."""
    rest_url: str = REAL_REST
    """REST address; by default the environment's; plain http for loopback hosts only."""
    ws_url: str = REAL_WS
    """WebSocket address, without the path; by default the environment's; without TLS key and data can be read on the way."""
    master_url: str = REAL_MASTER
    """Address that serves ``/common/master/``."""
    follow_replay_clock: bool = False
    """Take the time from the replayed broker's ``GET /replay/clock``: loopback only."""

    @model_validator(mode="before")
    @classmethod
    def _hosts_of_the_environment(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("environment") == "paper":
            return {"rest_url": PAPER_REST, "ws_url": PAPER_WS} | values
        return values

    @field_validator("appkey", "appsecret")
    @classmethod
    def _given(cls, secret: Secret) -> Secret:
        if not secret.get_secret_value():
            raise ValueError("is empty: it stands in the environment or in this file")
        return secret

    @field_validator("rest_url", "master_url")
    @classmethod
    def _secure_or_loopback(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS):
            raise ValueError("must be https; http is for loopback hosts only")
        return url.rstrip("/")

    @field_validator("ws_url")
    @classmethod
    def _websocket(cls, url: str) -> str:
        if urlsplit(url).scheme not in {"ws", "wss"}:
            raise ValueError("must begin with ws:// or wss://")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _replay_is_here(self) -> "KisSettings":
        if self.follow_replay_clock and urlsplit(self.rest_url).hostname not in LOOPBACK_HOSTS:
            raise ValueError("follow_replay_clock is for a replayed broker on this machine")
        return self


class UniverseSettings(Settings):
    """``[universe]``"""  # noqa: D415 - a table's name

    min_price_krw: Annotated[int, Field(ge=0, le=10_000_000)] = 4_000
    """Least reference price, won, 0 to 10,000,000."""
    min_count: Annotated[int, Field(ge=1, le=5_000)] = 100
    """A shorter list is refused as collapsed, 1 to 5,000."""
    exclude: tuple[Exclusion, ...] = DEFAULT_EXCLUDE
    """What is left out: halted, administrative, liquidation, etf, etn, elw, spac, fund, preferred, reit, foreign."""
    max_shrink: Annotated[float, Field(ge=0.05, le=0.9)] = 0.30
    """A list that lost more than this share of the last one is refused as collapsed, 0.05 to 0.9."""

    @field_validator("exclude")
    @classmethod
    def _settable(cls, exclude: tuple[Exclusion, ...]) -> tuple[Exclusion, ...]:
        fixed = ", ".join(sorted(ALWAYS & set(exclude)))
        if fixed:
            raise ValueError(f"{fixed} is always left out")
        return exclude


class CalendarSettings(Settings):
    """``[calendar]``"""  # noqa: D415 - a table's name

    override_file: Path | None = None
    """TOML file with ``[[day]]`` rows; they win over the shipped ones, those over the broker's and the exchange's calendar."""
    use_broker: bool = True
    """Ask the broker once a day which days are open."""


class PacingSettings(Settings):
    """``[pacing]``"""  # noqa: D415 - a table's name

    requests_per_second: Annotated[int, Field(ge=1, le=20)] = REQUESTS_PER_SECOND
    """Requests of a sliding second, 1 to 20; 18 by the broker's notice of 2026-04-20, 1 on paper."""
    spacing: bool = True
    """Spread the requests over the second instead of sending bursts."""


class TrackASettings(Settings):
    """``[track_a]``"""  # noqa: D415 - a table's name

    enabled: bool = True
    """Sweep the universe on the grid."""
    interval_minutes: Annotated[int, Field(ge=1, le=60)] = 10
    """Minutes between two sweeps, 1 to 60."""
    single_quote: bool = False
    """Ask for one symbol a call, as paper accounts must; what the interval has no room for is ``not_paced``."""
    context_minutes: Annotated[int, Field(ge=5, le=120)] = 30
    """Minutes after the open at which the slots are chosen for the first time, 5 to 120."""


class TrackBSettings(Settings):
    """``[track_b]``"""  # noqa: D415 - a table's name

    limit: Annotated[int, Field(ge=1, le=REGISTRATIONS)] = REGISTRATIONS
    """Registrations on the one WebSocket, 1 to 41; 41 as seen by several clients until 2026-09."""
    books: bool = False
    """Record order books too: a second registration for every code, so 20 codes."""
    manual: tuple[str, ...] = ()
    """Codes that always hold a slot, by falling priority; one slot fewer than there are at most."""
    dwell_seconds: Annotated[int, Field(ge=0, le=3_600)] = 120
    """Seconds for which a slot is held before it may be taken, 0 to 3,600."""
    hysteresis: Annotated[float, Field(ge=1, le=3)] = 1.2
    """A candidate needs the weakest slot's score times this, 1 to 3."""
    churn_hysteresis: Annotated[float, Field(ge=1, le=5)] = 1.5
    """The same while more than half of a minute's changes are used, 1 to 5."""
    changes_per_minute: Annotated[int, Field(ge=1, le=120)] = 24
    """Registrations and releases of a sliding minute, 1 to 120; the broker blocks loops (notices of 2026-01-15 and 02-24)."""
    changes_per_hour: Annotated[int, Field(ge=1, le=1_200)] = 240
    """The same of a sliding hour, 1 to 1,200."""

    @model_validator(mode="after")
    def _fits(self) -> "TrackBSettings":
        wrong = [code for code in self.manual if not re.fullmatch(SYMBOL, code)]
        if wrong:
            raise ValueError(f"manual: {', '.join(wrong)} is no symbol: six digits or capitals")
        slots = self.limit // (2 if self.books else 1)
        if len(self.manual) >= slots and self.manual:
            raise ValueError(
                f"manual: {len(self.manual)} codes, at most {max(0, slots - 1)} of {slots} slots: {', '.join(self.manual)}"
            )
        return self


class TokenSettings(Settings):
    """``[token]``"""  # noqa: D415 - a table's name

    key_file: Path | None = None
    """File with 32 bytes (or 64 hex digits) that encrypt the stored token; without it the token lies in a 0600 file."""
    refresh_margin_minutes: Annotated[int, Field(ge=10, le=360)] = 60
    """Remaining life at which the token is refreshed, also behind a session's end, 10 to 360."""


class SessionSettings(Settings):
    """``[session]``"""  # noqa: D415 - a table's name

    silence_seconds: Annotated[int, Field(ge=20, le=300)] = 60
    """Seconds without any frame after which the connection is doubted, 20 to 300."""


class JournalSettings(Settings):
    """``[journal]``"""  # noqa: D415 - a table's name

    commit_ms: Annotated[int, Field(ge=0, le=100)] = 5
    """Milliseconds after a group's first frame at which it is made durable, 0 to 100."""
    commit_bytes: Annotated[int, Field(ge=4 << 10, le=8 << 20)] = 1 << 20
    """Bytes at which a group is made durable at once, 4 KiB to 8 MiB."""
    roll_bytes: Annotated[int, Field(ge=16 << 20, le=1 << 30)] = 256 << 20
    """Size at which the next file begins, 16 MiB to 1 GiB."""
    queue_bytes: Annotated[int, Field(ge=1 << 20, le=1 << 30)] = 64 << 20
    """Bytes that may wait for the disk before the socket is no longer read, 1 MiB to 1 GiB."""
    zstd_level: Annotated[int, Field(ge=0, le=9)] = 1
    """Compression of the blocks, 0 (none) to 9."""
    reserve_bytes: Annotated[int, Field(ge=0, le=1 << 30)] = 64 << 20
    """Size of the file that is released when the disk is full, 0 to 1 GiB."""
    kept_bytes: Annotated[int, Field(ge=0, le=1 << 50)] = 1 << 30
    """Free space that only the journal may use: below it segments, order books and exports wait, 0 to 1 PiB."""


class SegmentSettings(Settings):
    """``[segments]``"""  # noqa: D415 - a table's name

    seal_delay_seconds: Annotated[int, Field(ge=10, le=3_600)] = 120
    """Seconds after an hour's end at which its trades are sealed, 10 to 3,600."""


class ExportSettings(Settings):
    """``[export]``"""  # noqa: D415 - a table's name

    swing: bool = False
    """Write the rows of the sweeps to ``export/swing_YYYYMMDD_HHMM.jsonl``, a file every ten minutes."""
    scalp: bool = False
    """Write the recorded trades to ``export/scalp_YYYYMMDD_HHMM.jsonl``, a file a minute."""
    system: bool = True
    """Write the recorder's events to ``export/system_YYYYMMDD_HHMM.jsonl``, a file an hour."""
    compress: bool = False
    """Write ``.jsonl.zst``."""

    @property
    def kinds(self) -> tuple[ExportKind, ...]:
        """Return the kinds that are written."""
        return tuple(kind for kind in ExportKind if getattr(self, kind.value))


class RetentionSettings(Settings):
    """``[retention]``"""  # noqa: D415 - a table's name

    raw_days: Annotated[int, Field(ge=1, le=365)] = 3
    """Days for which journal and export files stay, 1 to 365; without a verified backup they stay for ever."""
    anomaly_days: Annotated[int, Field(ge=1, le=365)] = 7
    """The same for days that the audit calls an anomaly, 1 to 365."""
    alert_days: Annotated[int, Field(ge=1, le=365)] = 10
    """Days after which a file that is not backed up is reported, 1 to 365."""


class BackupSettings(Settings):
    """``[backup]``"""  # noqa: D415 - a table's name

    at: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "21:00"
    """Time of the daily backup in Seoul, HH:MM; after the after-market by default."""
    targets: tuple[str, ...] = ()
    """Where to: ``file:///folder``, ``s3://bucket/prefix`` or another URL of fsspec; without one nothing is backed up."""
    verify: Annotated[str, Field(pattern=f"^({VERIFY})$")] = "all"
    """New objects that are read back: ``all`` or ``sample:N``; what was not read back is never deleted here."""
    drill_every_days: Annotated[int, Field(ge=1, le=90)] = 7
    """Days between two restore drills, 1 to 90."""


class BackfillSettings(Settings):
    """``[backfill]``"""  # noqa: D415 - a table's name

    enabled: bool = True
    """Fetch missing trades and minute bars, in session and after the anchor."""
    share: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    """Part of the permits that it may use in session, 0 to 0.5."""


class TelemetrySettings(Settings):
    """``[telemetry]``"""  # noqa: D415 - a table's name

    listen: str = "127.0.0.1:9464"
    """Address of the metrics page, host:port; empty turns it off."""
    export_dir: Path | None = None
    """Folder into which the metrics page is written every minute and at the end; none by default."""
    descriptor: Annotated[int, Field(ge=3)] | None = None
    """Open pipe of a supervisor that takes the metrics in place of the page; set by ``veritape up`` and ``demo``."""
    log_file: Path | None = None
    """File of the log, begun anew at 64 MiB and at midnight in Seoul, 30 compressed ones kept; standard error without one."""

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, listen: str) -> str:
        host, _, port = listen.rpartition(":")
        if listen and not (host and port.isascii() and port.isdigit() and int(port) < PORTS):
            raise ValueError("must be host:port, or empty")
        return listen


class RecordSettings(Settings):
    """Everything that ``veritape record`` reads."""

    @model_validator(mode="before")
    @classmethod
    def _pace_of_the_environment(cls, values: Any) -> Any:
        kis = values.get("kis") if isinstance(values, dict) else None
        environment = kis.get("environment") if isinstance(kis, dict) else getattr(kis, "environment", None)
        if environment == "paper" and isinstance(values.get("pacing", {}), dict):
            paper = {"requests_per_second": PAPER_REQUESTS_PER_SECOND}
            return values | {"pacing": paper | values.get("pacing", {})}
        return values

    observer: ObserverSettings
    """Where and what."""
    kis: KisSettings
    """Whose account, which broker."""
    universe: UniverseSettings = UniverseSettings()
    """Which symbols exist."""
    calendar: CalendarSettings = CalendarSettings()
    """Which days."""
    pacing: PacingSettings = PacingSettings()
    """How fast."""
    track_a: TrackASettings = TrackASettings()
    """Sweeps."""
    track_b: TrackBSettings = TrackBSettings()
    """Slots."""
    triggers: TriggerSettings = TriggerSettings()
    """What makes a code a candidate."""
    token: TokenSettings = TokenSettings()
    """The access token's file."""
    session: SessionSettings = SessionSettings()
    """The connection."""
    journal: JournalSettings = JournalSettings()
    """Durability."""
    segments: SegmentSettings = SegmentSettings()
    """Sealing."""
    export: ExportSettings = ExportSettings()
    """Files of lines."""
    retention: RetentionSettings = RetentionSettings()
    """How long files stay here."""
    backup: BackupSettings = BackupSettings()
    """The copy elsewhere."""
    backfill: BackfillSettings = BackfillSettings()
    """What was missed."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """Metrics."""


class KeepingSettings(Settings):
    """What ``veritape backup``, ``restore`` and ``drill`` read of the same file; other tables are the recorder's."""

    model_config = ConfigDict(extra="ignore")

    observer: KeptSettings
    """Where and what."""
    calendar: CalendarSettings = CalendarSettings()
    """Its file is backed up too."""
    retention: RetentionSettings = RetentionSettings()
    """How long files stay here."""
    backup: BackupSettings = BackupSettings()
    """The copy elsewhere."""
