"""A recording and a target for the tests of the backup, and the ways to damage a target."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet
from tests.recorded_day import DAYS, record_day

from veritape.kernel.canonical import canonical_json
from veritape.observer import manifests
from veritape.observer.adapters.backup.drilling import drill
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.sending import How, Sending, Sent
from veritape.observer.adapters.backup.source import Source
from veritape.observer.adapters.backup.targets import FolderTarget, Target
from veritape.observer.drill import Proven
from veritape.observer.manifests import LATEST, FileEntry, Link, Manifest, manifest_path, object_name

NOW_NS = 1 << 61
"""Wall clock of a backup: later than every file of a test."""

HOW = How("0.1.0")


@dataclass
class World:
    """One data folder and one target."""

    data: Path
    target: Target
    told: list[tuple[str, int]] = field(default_factory=list)
    now_ns: int = NOW_NS
    venue: str = "KRX"

    def backup(self, only: str | None = None, how: How = HOW) -> list[Sent]:
        return self.sending(how).run(only)

    def sending(self, how: How = HOW) -> Sending:
        return Sending(
            Source(self.data, self.venue), self.target, Records(self.data), how, self.clock, self.tell
        )

    def clock(self) -> int:
        self.now_ns += 1
        return self.now_ns

    def tell(self, what: str, size: int) -> None:
        self.told.append((what, size))

    def drill(self, day: str | None = None, *, live: bool = True) -> Proven:
        return drill(self.target, day, Source(self.data, self.venue) if live else None, None, self.tell)

    def reasons(self, day: str | None = None, *, live: bool = True) -> list[str]:
        """Return the reasons of a drill's differences, each once."""
        return list(dict.fromkeys(one.reason.value for one in self.drill(day, live=live).differences))

    def latest(self) -> tuple[str, Manifest]:
        """Return the newest manifest with its name."""
        link = manifests.parse_latest(self.read(LATEST))
        return link.name, manifests.parse(self.read(manifest_path(link.name)))

    def read(self, name: str) -> bytes:
        content = self.target.read(name)
        assert content is not None
        return content

    def entry(self, suffix: str) -> FileEntry:
        """Return the newest manifest's file whose path ends so."""
        return next(entry for entry in self.latest()[1].files if entry.path.endswith(suffix))

    def damage(self, suffix: str) -> None:
        """Change one byte of an object."""
        name = object_name(self.entry(suffix).blake3)
        content = self.read(name)
        self.target.write(name, bytes([content[0] ^ 1]) + content[1:], replace=True)

    def remove(self, suffix: str) -> None:
        """Remove an object."""
        self.target.delete(object_name(self.entry(suffix).blake3))

    def swap_manifests(self) -> None:
        """Exchange the first two manifests."""
        names = [manifest_path(f"{day}-1") for day in DAYS[:2]]
        one, other = (self.read(name) for name in names)
        for name, content in zip(names, (other, one), strict=True):
            self.target.write(name, content, replace=True)

    def cut_chain(self) -> None:
        """Remove the first manifest."""
        self.target.delete(manifest_path(f"{DAYS[0]}-1"))

    def alter_trade(self) -> None:
        """Raise one price by a won in a segment, and make every hash above it right again."""
        name, manifest = self.latest()
        segment, seal = self.entry("09.parquet"), self.entry(f"day={manifest.day}/09.seal.json")
        changed = altered(self.read(object_name(segment.blake3)))
        document = json.loads(self.read(object_name(seal.blake3)))
        document |= {"blake3": manifests.digest(changed), "bytes": len(changed)}
        contents = {segment.path: changed, seal.path: canonical_json(document)}
        files = tuple(self._replaced(entry, contents) for entry in manifest.files)
        last_seal = manifests.digest(contents[seal.path])
        self.forge(name, manifest.model_copy(update={"files": files, "last_seal": last_seal}))

    def forge(self, name: str, manifest: Manifest) -> None:
        """Write another newest manifest under the name of the true one, and LATEST for it."""
        content = manifests.encode(manifest)
        self.target.write(manifest_path(name), content, replace=True)
        link = Link(name=name, blake3=manifests.digest(content))
        self.target.write(LATEST, manifests.encode_latest(link), replace=True)

    def _replaced(self, entry: FileEntry, contents: dict[str, bytes]) -> FileEntry:
        content = contents.get(entry.path)
        if content is None:
            return entry
        digest = manifests.digest(content)
        self.target.write(object_name(digest), content)
        return FileEntry(path=entry.path, bytes=len(content), blake3=digest)


def altered(segment: bytes) -> bytes:
    """Return a segment whose first price is a won higher."""
    table = parquet.read_table(pa.BufferReader(segment))
    price: Any = table["price"]
    mask = pa.array([row == 0 for row in range(table.num_rows)])
    column = table.schema.get_field_index("price")
    table = table.set_column(column, "price", pc.add(price, pc.cast(mask, pa.int64())))
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, store_schema=False)
    return bytes(sink.getvalue())


def world(folder: Path, target: Target | None = None, days: int = 2) -> World:
    """Return a recording of some days with an empty target."""
    for day in DAYS[:days]:
        record_day(folder / "data", day)
    return World(folder / "data", target or FolderTarget(folder / "target"))


DAMAGES: dict[str, tuple[Callable[[World], None], str]] = {
    "one byte of an object": (lambda one: one.damage("09.parquet"), "object_corrupt"),
    "an object removed": (lambda one: one.remove("0851-0.vtj"), "object_missing"),
    "two manifests swapped": (World.swap_manifests, "chain_broken"),
    "the chain cut": (World.cut_chain, "chain_broken"),
    "a trade altered": (World.alter_trade, "audit_differs"),
}
"""The five damages of OB-763 -> the reason that a drill must give."""
