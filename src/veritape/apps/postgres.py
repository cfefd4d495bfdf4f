"""Adapters that need PostgreSQL's library: imported only when a setting asks for one."""

import importlib
from types import ModuleType

from veritape.kernel.errors import MisuseError


def postgres_module(name: str, setting: str) -> ModuleType:
    """Return an adapter of the gateway.

    Args:
        name: its module.
        setting: what asks for it, for the message.

    Raises:
        MisuseError: the library is not installed.
    """
    try:
        return importlib.import_module(f"veritape.gateway.adapters.{name}")
    except ModuleNotFoundError as error:
        raise MisuseError(
            f"{setting} needs the library {error.name!r}: install veritape[postgres]"
        ) from error
