"""What is shipped, what it depends on, and what the documents say is left out."""

import re
import tomllib
from pathlib import Path

from veritape.observer.settings import RecordSettings

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "veritape"
REFUSED = {"arcticdb", "crc32c", "picows", "pykrx", "aiolimiter"}
"""Licences that do not fit, a login at import, or a limiter that let 35 calls into a second."""

LIBRARIES = {
    "aiohttp",
    "uvloop",
    "zstandard",
    "google-crc32c",
    "blake3",
    "pyarrow",
    "duckdb",
    "cryptography",
    "fsspec",
}
"""What the recorder rests on, under their names in the registry."""


def locked() -> set[str]:
    """Return every distribution of every lock of ours."""
    names: set[str] = set()
    for lock in (ROOT / "requirements").glob("*.txt"):
        names |= {
            match[1].lower() for match in re.finditer(r"^([A-Za-z0-9_.-]+)==", lock.read_text(), re.MULTILINE)
        }
    return names


def test_the_recorder_uses_the_libraries_that_were_chosen_and_none_that_was_refused() -> None:
    """OB-951: each is declared and imported; a refused one is in no lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["observer"]]
    names = {re.split(r"[<>=]", one)[0] for one in declared}
    assert names >= LIBRARIES
    text = "".join(
        path.read_text() for path in [*SOURCE.glob("observer/**/*.py"), *SOURCE.glob("apps/record*.py")]
    )
    for name in LIBRARIES:
        assert re.search(rf"^(?:import|from) {name.replace('-', '_')}\b", text, re.MULTILINE), name
    assert not REFUSED & locked()


def test_no_market_data_is_shipped_but_the_licensed_tape() -> None:
    """OB-952: beside programs and tables of ours only Lean's trades of one day, with their licence."""
    data = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*")
        if path.suffix in {".zip", ".csv", ".parquet", ".gz"}
    }
    assert data == {f"replay/tape/{symbol}_20131007_trade.zip" for symbol in ("ibm", "aig", "bac")}
    assert "Apache License" in (SOURCE / "replay" / "tape" / "LICENSE").read_text()


def test_what_is_left_out_is_said_and_every_open_fact_has_a_setting() -> None:
    """OB-1001, OB-1002: the guide names both; each open fact's setting exists."""
    guide = (ROOT / "docs" / "guides" / "scope.md").read_text()
    for words in ("Orders, portfolios, signals", "invented row", "PostgreSQL", "one process each"):
        assert words in guide
    facts = re.findall(r"\| `(\w+)\.(\w+)` \|", guide)
    assert len(facts) >= 5
    for table, key in facts:
        assert key in RecordSettings.model_fields[table].annotation.model_fields  # type: ignore[union-attr]


def test_power_loss_is_said_to_be_untested() -> None:
    """OB-514: the journal's document tells kills, which are tested, from power loss, which is not."""
    text = (ROOT / "docs" / "formats" / "journal.md").read_text()
    assert "this is not tested" in text
    assert (ROOT / "tests" / "scenario" / "test_kill.py").exists()
