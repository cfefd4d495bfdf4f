"""Adapters that need PostgreSQL's library."""

import importlib

import pytest

from veritape.apps.postgres import postgres_module
from veritape.gateway.adapters import postgres_keys
from veritape.kernel.errors import MisuseError


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-685: with the setting that asks for it and the remedy."""
    assert postgres_module("postgres_keys", "keys.url") is postgres_keys

    def missing(name: str) -> object:
        raise ModuleNotFoundError(name, name="psycopg")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(
        MisuseError, match=r"keys\.url needs the library 'psycopg': install veritape\[postgres\]"
    ):
        postgres_module("postgres_keys", "keys.url")
