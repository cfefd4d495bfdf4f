"""Settings: file, environment, defaults, and errors that name the key."""

from pathlib import Path

import pytest
from pydantic import Field

from veritape.kernel.errors import MisuseError
from veritape.kernel.settings import Secret, Settings, load_settings


class Store(Settings):
    path: str = "here"
    """Where."""
    folder: Path = Path()
    """Where else."""


class Example(Settings):
    count: int = Field(ge=1, le=41)
    """How many, 1 to 41."""
    token: Secret = Secret("unset")
    """A secret."""
    store: Store = Store()
    """A table."""


def load(toml: bytes, **environment: str) -> Example:
    return load_settings(Example, toml, environment, "VT", "vt.toml")


def test_the_environment_wins_over_the_file_and_the_file_over_the_default() -> None:
    example = load(
        b'count = 3\n[store]\npath = "file"', VT_COUNT="4", VT_STORE__PATH="environment", OTHER="x"
    )
    assert (example.count, example.store.path) == (4, "environment")
    assert load(b"count = 3").store.path == "here"


def test_a_secret_prints_as_stars() -> None:
    example = load(b'count = 3\ntoken = "planted"')
    assert "planted" not in repr(example)
    assert example.token.get_secret_value() == "planted"


def test_the_string_beneath_a_field_is_its_documentation() -> None:
    assert Example.model_fields["count"].description == "How many, 1 to 41."


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (b"", "vt.toml: missing key 'count'"),
        (b"count = 3\nother = 1", "vt.toml: unknown key 'other'"),
        (b"count = 3\n[store]\nplace = 1", "vt.toml: unknown key 'store.place'$"),
        (b"counts = 3\ncount = 3", "vt.toml: unknown key 'counts', the nearest known one is 'count'$"),
        (b"count = 3\n[store]\npaht = 1", "unknown key 'store.paht', the nearest known one is 'store.path'$"),
        (b"count = 3\npath = 1", "unknown key 'path', the nearest known one is 'store.path'$"),
        (b"count = 42", "vt.toml: key 'count': Input should be less than or equal to 41"),
        (b"count = 'many'", "vt.toml: key 'count': Input should be a valid integer"),
        (b"count = 3\n[store]\nfolder = 1", "vt.toml: key 'store.folder': a path is a text in quotes"),
        (b"count = ", "vt.toml: not TOML"),
        (b"\xff", "vt.toml: not TOML"),
    ],
)
def test_a_bad_key_is_named(toml: bytes, message: str) -> None:
    """OB-981: unknown, missing, wrong type and out of range name the file and the key; exit 2."""
    with pytest.raises(MisuseError, match=message) as caught:
        load(toml)
    assert caught.value.exit_code == 2


def test_a_variable_cannot_open_a_table_inside_a_value() -> None:
    with pytest.raises(MisuseError, match="VT_COUNT__DEEPER: 'count' is a value, not a table"):
        load(b"count = 3", VT_COUNT__DEEPER="1")
