"""Settings of ``veritape serve`` (GW-706): what is fixed for the life of the process. The policy is another file."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, field_validator

from veritape.gateway.usage import Commit, OnFailure
from veritape.kernel.settings import Secret, Settings


class StoreClient(StrEnum):
    """Whose client speaks to Redis."""

    OWN = "own"
    """Ours: all calls of a turn in one write, answers as they come."""
    REDIS_PY = "redis-py"
    """redis-py's connections."""


class ListenSettings(Settings):
    """Where the gateway listens."""

    public: str = "127.0.0.1:8000"
    """Address and port of the API."""
    admin: str = "127.0.0.1:8001"
    """Where the admin API listens: loopback address and port, or a unix socket's path; empty turns it off."""
    decisions: str = Field(default="", pattern=r"^$|^.+:[0-9]{1,5}$")
    """Address and port of the decision API, as 127.0.0.1:8002; empty turns it off."""
    rate_limits: str = "127.0.0.1:8003"
    """Address and port of the gRPC services for Envoy, with ``serve --rls``."""


class KeySettings(Settings):
    """Where the key store is, and its secret."""

    url: str = Field(default="", pattern=r"^$|^postgres(ql)?://")
    """postgresql://user@host:port/database without a password; empty: SQLite in ``data_dir``."""
    password_file: Path | None = None
    """File whose first line is the database's password."""
    pepper_file: Path | None = None
    """File with at least 32 bytes, mode 0600; made once in ``data_dir`` when not given, which ``url`` does not allow."""


class TokenSettings(Settings):
    """Where the secret of tokens lies."""

    secret_file: Path | None = None
    """Secret of HS256 issuers that name none: at least 32 bytes, mode 0600."""


class AdminSettings(Settings):
    """Who may administer beside keys with an admin scope."""

    token_file: Path | None = None
    """File with the bootstrap token, mode 0600; made once in ``data_dir`` when not given."""


class HeaderSettings(Settings):
    """Which header fields are written."""

    legacy: bool = True
    """Write ``X-RateLimit-*`` and ``X-Quota-*`` beside the fields of the draft."""


class StoreSettings(Settings):
    """Where the shared quota store is, when the policy says ``store.kind = "redis"``."""

    url: Secret = Secret("redis://127.0.0.1:6379/0")
    """redis://user:password@host:port/database, rediss:// for TLS, unix:///path?db=0; redis+sentinel://host,host/name/database
    for the primary that sentinels know, redis+cluster://host,host for a cluster."""
    password_file: Path | None = None
    """File whose first line is the password, in place of one in ``url``."""
    sentinel_password_file: Path | None = None
    """File whose first line is the password of the sentinels themselves."""
    tls_ca: Path | None = None
    """File of the authorities that are trusted with rediss; the system's when not given."""
    client: StoreClient = StoreClient.OWN
    """Whose client speaks to Redis."""


class LedgerSettings(Settings):
    """Where the usage ledger is."""

    url: str = Field(default="", pattern=r"^$|^postgres(ql)?://")
    """postgresql://user@host:port/database without a password; empty: SQLite in ``data_dir``."""
    password_file: Path | None = None
    """File whose first line is the database's password."""


class UsageSettings(Settings):
    """How a charge is made durable."""

    commit: Commit = Commit.LOCAL
    """What an answer waits for."""
    on_failure: OnFailure = OnFailure.CLOSED
    """What charged routes do while charges cannot be made durable."""
    retention_days: int = Field(default=400, ge=62, le=36_500)
    """Days after which the events of a whole month go; its sums and invoices stay. 62: a month and time to bill it."""


class UpstreamSettings(Settings):
    """How upstreams are asked."""

    client: str = "own"
    """The client of HTTP; there is one, because exact retries and refunds need to know what was sent."""

    @field_validator("client")
    @classmethod
    def _is_own(cls, client: str) -> str:
        if client != "own":
            raise ValueError(
                "own is the only one: for an HTTP proxy or unusual TLS name a forwarder beside it as target"
            )
        return client


class LogSettings(Settings):
    """What is logged."""

    access: bool = True
    """One JSON line a request on standard output."""


class OverloadSettings(Settings):
    """When a worker sheds work."""

    lag_ms: int = Field(default=100, ge=1, le=60_000)
    """Lag of the event loop, milliseconds, that counts as full load; more where other programs take the processor for long."""


class ReadSettings(Settings):
    """Where the product's data lies; a part that is not given leaves its routes out."""

    observer_dir: Path | None = None
    """The recorder's data directory."""
    venue: str = "KRX"
    """Whose trades are served."""
    receipts_dir: Path | None = None
    """The executor's receipts folder."""
    metrics_page: str = Field(default="", pattern=r"^$|^.+:[0-9]{1,5}$")
    """host:port of the metrics page that the console shows; empty leaves the console out."""


class TelemetrySettings(Settings):
    """Where the metrics are shown."""

    listen: str = Field(default="127.0.0.1:9466", pattern=r"^$|^.+:[0-9]{1,5}$")
    """Address of the metrics page, host:port; empty turns it off."""
    descriptor: int | None = Field(default=None, ge=3)
    """Open pipe of a supervisor that takes the metrics in place of the page; set by ``veritape up`` and ``demo``."""


class GatewaySettings(Settings):
    """All settings; ``VERITAPE_GATEWAY_<KEY>`` overrides the file."""

    policy: Path | None = None
    """Policy file; the shipped one when not given."""
    data_dir: Path = Path("gateway-data")
    """Keys, pepper and usage ledger; made with mode 0700."""
    drain_s: int = Field(default=25, ge=0, le=60)
    """Seconds that requests in progress have after SIGTERM."""
    drain_delay_s: int = Field(default=0, ge=0, le=60)
    """Seconds from SIGTERM, with ``/ready`` at 503, until no connection is accepted any more."""
    workers: int = Field(default=1, ge=1, le=256)
    """Processes that serve the API; several need a shared quota store."""
    listen: ListenSettings = ListenSettings()
    """Listeners."""
    keys: KeySettings = KeySettings()
    """Key store."""
    jwt: TokenSettings = TokenSettings()
    """Tokens."""
    store: StoreSettings = StoreSettings()
    """Shared quota store."""
    ledger: LedgerSettings = LedgerSettings()
    """Usage ledger."""
    usage: UsageSettings = UsageSettings()
    """Charges."""
    admin: AdminSettings = AdminSettings()
    """Admin API."""
    headers: HeaderSettings = HeaderSettings()
    """Header fields."""
    upstream: UpstreamSettings = UpstreamSettings()
    """Upstreams."""
    log: LogSettings = LogSettings()
    """Logs."""
    overload: OverloadSettings = OverloadSettings()
    """The overload ladder."""
    read: ReadSettings = ReadSettings()
    """Data that is served."""
    telemetry: TelemetrySettings = TelemetrySettings()
    """Metrics."""
