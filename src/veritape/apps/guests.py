"""``veritape guests``: build, check and list the bundled guest programs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from veritape.executor.adapters.compiler import FLAGS, build, compiler_version
from veritape.executor.adapters.guest_files import guests_folder, manifest
from veritape.executor.adapters.scratch import temporary_folder
from veritape.executor.claims import program_id
from veritape.executor.elf import load
from veritape.executor.image import DEFAULT_MEMORY_BYTES
from veritape.kernel.errors import CheckFailedError, MisuseError
from veritape.kernel.files import write_atomically
from veritape.stark.hashing import sponge

CACHE = Path(".cache") / "veritape" / "zig"
"""The compiler's cache below the user's home directory."""


@click.group()
def guests() -> None:
    """Build, check and list the guest programs."""


@guests.command("build")
@click.argument("names", nargs=-1)
def build_guests(names: tuple[str, ...]) -> None:
    """Compile guests from C and write their ELFs and the manifest; all of them when none is named."""
    folder = _writable_folder()
    entries: dict[str, Any] = dict(manifest()["guests"]) if (folder / "manifest.json").exists() else {}
    for name in _chosen(folder, names):
        elf = build(folder / "sources" / f"{name}.c", folder / "sources", Path.home() / CACHE)
        write_atomically(folder / "elf" / f"{name}.elf", elf)
        entries[name] = _entry(elf)
        click.echo(f"{name}: {len(elf)} bytes, program id {entries[name]['program_id']}")
    write_atomically(folder / "manifest.json", _manifest_text(entries))


@guests.command("check")
@click.argument("names", nargs=-1)
def check_guests(names: tuple[str, ...]) -> None:
    """Rebuild guests in a cache that is empty at first and compare them with the committed ELFs, byte by byte.

    The first one takes some seconds, in which the compiler builds its own library; the others find that in the cache, and nothing else.
    """
    folder = _writable_folder()
    chosen = _chosen(folder, names)
    with temporary_folder("compiler") as cache:
        for name in chosen:
            _check(folder, name, cache)
            click.echo(f"{name}: rebuilt, identical")


def _check(folder: Path, name: str, cache: Path) -> None:
    elf = build(folder / "sources" / f"{name}.c", folder / "sources", cache)
    if elf != (folder / "elf" / f"{name}.elf").read_bytes() or manifest()["guests"][name] != _entry(elf):
        raise CheckFailedError(
            f"{name}: the committed ELF is not what its source gives: run veritape guests build"
        )


@guests.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_guests(as_json: bool) -> None:
    """Name the bundled guests with their program ids."""
    document = manifest()
    if as_json:
        click.echo(json.dumps(document))
        return
    for name, entry in sorted(document["guests"].items()):
        click.echo(f"{name:<12} {entry['bytes']:>6} bytes  {entry['program_id']}")


def _writable_folder() -> Path:
    folder = guests_folder()
    if not isinstance(folder, Path):
        raise MisuseError("guests are built from a source tree: clone the repository")
    return folder


def _chosen(folder: Path, names: Sequence[str]) -> list[str]:
    known = sorted(path.stem for path in (folder / "sources").glob("*.c"))
    if unknown := sorted(set(names) - set(known)):
        raise MisuseError(f"no guest {unknown[0]!r}: there are {', '.join(known)}")
    return list(names) or known


def _entry(elf: bytes) -> dict[str, Any]:
    return {
        "sha256": hashlib.sha256(elf).hexdigest(),
        "bytes": len(elf),
        "memory_bytes": DEFAULT_MEMORY_BYTES,
        "program_id": program_id(load(elf), sponge).hex(),
    }


def _manifest_text(entries: Mapping[str, Any]) -> bytes:
    document = {"compiler": compiler_version(), "flags": list(FLAGS), "guests": dict(entries)}
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
