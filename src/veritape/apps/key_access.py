"""The key store of a gateway, opened: SQLite in its data directory, or PostgreSQL when ``keys.url`` names one (GW-404)."""

from veritape.apps.postgres import postgres_module
from veritape.gateway.adapters.key_database import KeyDatabase
from veritape.gateway.adapters.key_store import KeyStore, Noted
from veritape.gateway.adapters.peppers import load_peppers
from veritape.gateway.adapters.sqlite_keys import FILE, SqliteKeys
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.errors import MisuseError


def open_keys(settings: GatewaySettings, noted: Noted = lambda *_: None) -> tuple[KeyStore, bytes]:
    """Return the key store, which tells of changes, and the pepper; the data directory is made when it is not there.

    Raises:
        MisuseError: the pepper's file is wrong, or the database's address or library is missing.
        UnavailableError: the file cannot be opened, or is of a newer program.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if settings.keys.url and settings.keys.pepper_file is None:
        raise MisuseError(
            "keys.url needs keys.pepper_file: machines that share keys find them only with the same pepper"
        )
    peppers = load_peppers(settings.data_dir, settings.keys.pepper_file)
    return KeyStore(_database(settings), *peppers, noted=noted), peppers[0]


def _database(settings: GatewaySettings) -> KeyDatabase:
    if not settings.keys.url:
        return SqliteKeys(settings.data_dir / FILE)
    module = postgres_module("postgres_keys", "keys.url")
    database: KeyDatabase = module.PostgresKeys(settings.keys.url, settings.keys.password_file)
    return database
