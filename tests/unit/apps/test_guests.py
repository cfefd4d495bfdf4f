"""``veritape guests``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from veritape.apps import guests
from veritape.executor.adapters.guest_files import guest_elf, guests_folder
from veritape.kernel.errors import CheckFailedError, MisuseError


def test_the_bundled_guests_are_listed() -> None:
    """EX-231: names, sizes and program ids, for people and as JSON."""
    lines = CliRunner().invoke(guests.guests, ["list"]).output.splitlines()
    document = json.loads(CliRunner().invoke(guests.guests, ["list", "--json"]).output)
    assert (
        [line.split()[0] for line in lines]
        == sorted(document["guests"])
        == ["fibonacci", "mixed", "ohlcv", "sha256", "vwap"]
    )
    assert lines[0].endswith(document["guests"]["fibonacci"]["program_id"])


def test_check_rebuilds_and_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-231: an ELF that is not what its source gives fails the check; an unknown name is named."""
    elf = guest_elf("fibonacci")
    monkeypatch.setattr(guests, "build", lambda *_: elf)
    assert (
        CliRunner().invoke(guests.guests, ["check", "fibonacci"]).output == "fibonacci: rebuilt, identical\n"
    )
    monkeypatch.setattr(guests, "build", lambda *_: guest_elf("vwap"))
    with pytest.raises(CheckFailedError, match="run veritape guests build"):
        CliRunner().invoke(guests.guests, ["check", "fibonacci"], catch_exceptions=False)
    with pytest.raises(MisuseError, match="no guest 'none'"):
        CliRunner().invoke(guests.guests, ["check", "none"], catch_exceptions=False)


def test_one_check_has_one_cache_that_is_empty_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-231: whatever was built before the check is not in it; the compiler's library is built once for all guests."""
    seen: list[tuple[Path, list[str]]] = []

    def build(source: Path, _: Path, cache: Path) -> bytes:
        seen.append((cache, sorted(path.name for path in cache.iterdir())))
        (cache / source.stem).touch()
        return guest_elf(source.stem)

    monkeypatch.setattr(guests, "build", build)
    for turn in range(2):
        done = CliRunner().invoke(guests.guests, ["check"], catch_exceptions=False)
        assert done.output.splitlines()[-1] == "vwap: rebuilt, identical"
        assert [found for _, found in seen[turn * 5 :]] == [
            ["fibonacci", "mixed", "ohlcv", "sha256"][:built] for built in range(5)
        ]
    assert len({cache for cache, _ in seen}) == 2
    assert not any(cache.exists() for cache, _ in seen)


def test_build_writes_elf_and_manifest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """EX-231: the manifest holds SHA-256, program id, memory, compiler and flags; building again changes nothing."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "vwap.c").touch()
    elf, committed = (
        guest_elf("vwap"),
        json.loads((Path(str(guests_folder())) / "manifest.json").read_bytes()),
    )
    monkeypatch.setattr(guests, "guests_folder", lambda: tmp_path)
    monkeypatch.setattr(guests, "build", lambda *_: elf)
    assert CliRunner().invoke(guests.guests, ["build"], catch_exceptions=False).exit_code == 0
    written = json.loads((tmp_path / "manifest.json").read_bytes())
    assert written["guests"] == {"vwap": committed["guests"]["vwap"]}
    assert (written["compiler"], written["flags"]) == (committed["compiler"], committed["flags"])
    assert (tmp_path / "elf" / "vwap.elf").read_bytes() == elf
