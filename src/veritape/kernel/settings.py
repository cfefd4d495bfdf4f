"""Settings: one frozen class per part, a string beneath each field, loaded once from TOML and the environment.

The environment wins over the file, the file over the default. ``VERITAPE_RECORD_DATA_DIR`` sets ``data_dir`` of the part
loaded with the prefix ``VERITAPE_RECORD``; two underscores go one table deeper (``..._TOKEN__KEY_FILE``).
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from veritape.kernel.errors import MisuseError

Secret = SecretStr
"""Text that prints as stars; ``get_secret_value()`` reveals it."""


class Settings(BaseModel):
    """Base of every settings class: frozen, unknown keys refused, the string beneath a field is its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


SettingsT = TypeVar("SettingsT", bound=Settings)


def load_settings(
    settings: type[SettingsT],
    toml_bytes: bytes,
    environment: Mapping[str, str],
    prefix: str,
    source: str = "configuration",
) -> SettingsT:
    """Read one part's settings.

    Args:
        settings: the part's class.
        toml_bytes: the file's content; empty for none.
        environment: the process's environment, handed in by ``veritape.apps``.
        prefix: what the part's variables begin with, in capitals, without the last underscore.
        source: the file's name, for messages.

    Raises:
        MisuseError: not TOML, or a key that is unknown, missing, of the wrong type or out of range; the message names it.
    """
    try:
        values = tomllib.loads(toml_bytes.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MisuseError(f"{source}: not TOML: {error}: correct the file") from error
    _overlay(values, environment, prefix)
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        lines = (f"{source}: {_describe(problem, settings)}" for problem in problems)
        raise MisuseError("; ".join(lines)) from error


def _overlay(values: dict[str, Any], environment: Mapping[str, str], prefix: str) -> None:
    """Lay the variables of one prefix over the values read from the file."""
    for name in sorted(environment):
        if not name.startswith(f"{prefix}_"):
            continue
        *tables, key = name.removeprefix(f"{prefix}_").lower().split("__")
        target = values
        for table in tables:
            target = target.setdefault(table, {})
            if not isinstance(target, dict):
                raise MisuseError(f"{name}: {table!r} is a value, not a table")
        target[key] = environment[name]


def _describe(problem: ErrorDetails, settings: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        nearest = _nearest(problem["loc"], settings)
        return f"unknown key {key!r}" + (f", the nearest known one is {nearest!r}" if nearest else "")
    if problem["type"] == "missing":
        return f"missing key {key!r}"
    if problem["type"] == "path_type":
        return f"key {key!r}: a path is a text in quotes"
    return f"key {key!r}: {problem['msg']}"


def _nearest(place: tuple[int | str, ...], settings: type[BaseModel]) -> str | None:
    """Return the known key that looks most like an unknown one, in the same table before any other."""
    *tables, name = map(str, place)
    known = list(_keys(settings))
    siblings = [key for key in known if key.split(".")[:-1] == tables]
    for names in (siblings, known):
        by_name = {key.rpartition(".")[2]: key for key in reversed(names)}
        found = difflib.get_close_matches(name, by_name, n=1)
        if found:
            return by_name[found[0]]
    return None


def _keys(settings: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield every key of a settings class with its tables."""
    for name, field in settings.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
