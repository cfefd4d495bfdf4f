"""The usage ledger opened for reading by commands and the admin API, whichever database keeps it."""

import contextlib
import importlib
from collections.abc import Iterator

from veritape.gateway.adapters.ledger import FILE
from veritape.gateway.adapters.usage_reader import UsageReader, sqlite_usage
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.errors import MisuseError


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
    try:
        module = importlib.import_module("veritape.gateway.adapters.postgres_ledger")
    except ModuleNotFoundError as error:
        raise MisuseError(
            f"ledger.url needs the library {error.name!r}: install veritape[postgres]"
        ) from error
    with contextlib.closing(
        module.PostgresLedger(settings.ledger.url, settings.ledger.password_file)
    ) as ledger:
        yield UsageReader(ledger.rows)
