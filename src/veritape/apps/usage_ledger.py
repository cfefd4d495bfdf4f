"""The usage ledger opened for reading by commands and the admin API, whichever database keeps it."""

import contextlib
from collections.abc import Iterator

from veritape.apps.postgres import postgres_module
from veritape.gateway.adapters.ledger import FILE
from veritape.gateway.adapters.usage_reader import UsageReader, sqlite_usage
from veritape.gateway.settings import GatewaySettings


@contextlib.contextmanager
def opened_usage(settings: GatewaySettings) -> Iterator[UsageReader]:
    """Open the ledger of a gateway, which may be running, for reading.

    Raises:
        UnavailableError: it is not there, or cannot be read.
        MisuseError: it is a PostgreSQL database and the library for it is not installed.
    """
    if not settings.ledger.url:
        with sqlite_usage(settings.data_dir / FILE) as reader:
            yield reader
        return
    module = postgres_module("postgres_ledger", "ledger.url")
    with contextlib.closing(
        module.PostgresLedger(settings.ledger.url, settings.ledger.password_file)
    ) as ledger:
        yield UsageReader(ledger.rows)
