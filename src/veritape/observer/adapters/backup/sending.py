"""Send a recording's days to a target: objects first, each read back, then the manifest, then ``LATEST`` (OB-751 to 756).

A backup that is interrupted at any point has lost nothing and promised nothing: objects without a manifest are found again
by their names, and the next run sends only what is not there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.observer import backup, manifests
from veritape.observer.adapters.backup.chain import Chain, continued, manifest_names, read_chain
from veritape.observer.adapters.backup.objects import Told, Wanted, read_back, send_missing
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.source import Source
from veritape.observer.adapters.backup.targets import TEMPORARY, Target
from veritape.observer.backup import LocalFile
from veritape.observer.manifests import LATEST, FileEntry, Manifest, Written, manifest_path, object_name


@dataclass(frozen=True)
class How:
    """What distinguishes one backup from another."""

    version: str
    """Version of veritape that writes the manifests."""
    verify: str = "all"
    """``all`` or ``sample:N`` of the new objects are read back."""
    thorough: bool = False
    """Hash every local file, and read back every object, also those that were read back before: finds and repairs damage."""


class Sent(NamedTuple):
    """What a backup of one day did, or would do."""

    day: str
    """Business date."""
    manifest: str
    """Name of its manifest; empty in a preview."""
    manifest_blake3: str
    """Hash of the manifest; empty with it."""
    files: int
    """Files that it names."""
    bytes: int
    """Their size."""
    new_objects: int
    """Objects that were sent, because they were not at the target or damaged there."""
    new_bytes: int
    """Their size."""


class Found(NamedTuple):
    """A day as it lies here, beside what the backup knows of it."""

    known: Written | None
    """Its last manifest."""
    files: tuple[FileEntry, ...]
    """What the next manifest names, without the copies."""
    paths: dict[str, Path]
    """Hash -> local file."""

    @property
    def same(self) -> bool:
        """Whether the last manifest names all of it."""
        return self.known is not None and self.known.manifest.files == self.files


@dataclass
class Sending:
    """One backup to one target."""

    source: Source
    """What is sent."""
    target: Target
    """Where to."""
    records: Records
    """What was sent before."""
    how: How
    """The options."""
    wall_ns: Callable[[], int]
    """The machine's wall clock."""
    told: Told = lambda _what, _bytes: None
    """Told how far it is."""
    verified: set[str] = field(default_factory=set, init=False)
    """Objects that were read back at the target, now or before."""

    def run(self, only: str | None = None) -> list[Sent]:
        """Send every day that changed, or look at one thoroughly.

        Raises:
            CheckFailedError: ``backup_corrupt``, ``chain_broken``, ``bad_path``, ``object_missing``.
            UnavailableError: the target is away or full, or a file changed meanwhile.
        """
        days = self._days(only)
        chain = continued(self.target, self.records)
        self.verified = self.records.verified(self.target.url)
        done = []
        for day in days:
            chain, sent = self._day(day, chain)
            done += [sent] if sent else []
        return done

    def preview(self, only: str | None = None) -> list[Sent]:
        """Return what ``run`` would send; nothing is written anywhere."""
        chain = read_chain(self.target)
        found = [(day, self._found(day, chain)) for day in self._days(only)]
        return [
            self._sent(day, None, one.files, self._absent(one.files)) for day, one in found if not one.same
        ]

    def clean(self) -> list[str]:
        """Delete what no manifest lists and what is older than any backup that may be running (OB-754)."""
        listed: set[str] = set()
        for name in manifest_names(self.target):
            content = self.target.read(manifest_path(name))
            if content is not None:
                listed |= {object_name(digest) for digest in manifests.parse(content).digests()}
        stored = {
            one.name: one.modified_ns
            for folder in ("objects", TEMPORARY)
            for one in self.target.names(folder)
        }
        gone = backup.unlisted(stored, listed, self.wall_ns())
        for name in gone:
            self.target.delete(name)
        return gone

    def _days(self, only: str | None) -> list[str]:
        over = self.source.over_days()
        if only is None:
            return over
        if only not in over:
            state = "is not over" if only in self.source.days() else "is not recorded"
            raise MisuseError(
                f"backup: day {only} {state} in {self.source.data}: over are {', '.join(over) or 'none'}"
            )
        return [only]

    def _day(self, day: str, chain: Chain) -> tuple[Chain, Sent | None]:
        created_ns = self.wall_ns()
        found = self._found(day, chain)
        if found.same and found.known is not None:
            return chain, self._prove(found.known, found.paths)
        copies = {self.source.entry_of(name, path): path for name, path in self.source.copies().items()}
        known = found.known.manifest if found.known else None
        files = backup.merged((*found.files, *copies), known)
        paths = found.paths | {entry.blake3: path for entry, path in copies.items()}
        name = manifests.next_name(day, manifest_names(self.target))
        new = self._objects(files, paths, name)
        manifest = Manifest(
            venue=self.source.venue, day=day, created_ns=created_ns, files=files,
            lines=self.source.figures(day, known),
            last_seal=self.source.last_seal(day), audit_log=self.source.log_head(), previous=chain.head, veritape=self.how.version,
        )  # fmt: skip
        written = Written(name, manifests.encode(manifest), manifest)
        self.target.write(manifest_path(name), written.content)
        self.target.write(LATEST, manifests.encode_latest(written.link), replace=True)
        self.records.wrote(self.target.url, written, self.verified)
        return Chain((written, *chain.written)), self._sent(day, written, files, new)

    def _found(self, day: str, chain: Chain) -> Found:
        """Hash what changed of a day and put it beside its last manifest."""
        known = chain.newest(day)
        manifest = known.manifest if known else None
        trusted = None if self.how.thorough else manifest
        paths, entries = {}, []
        for file in self.source.files(day):
            entry = backup.unchanged(file, trusted) or self._hashed(file)
            entries.append(entry)
            paths[entry.blake3] = self.source.data / file.path
        return Found(known, backup.merged(entries, manifest), paths)

    def _hashed(self, file: LocalFile) -> FileEntry:
        entry = self.source.entry(file)
        self.told("hashed", file.size)
        return entry

    def _prove(self, known: Written, paths: Mapping[str, Path]) -> Sent | None:
        """Read back what was never read back of a manifest that is already there; all of it when asked to be thorough."""
        open_ones = set(known.manifest.digests()) - self.verified
        if not self.how.thorough and (not open_ones or self.how.verify != "all"):
            return None
        repaired = self._objects(known.manifest.files, paths, known.name)
        self.records.wrote(self.target.url, known, self.verified)
        return self._sent(known.manifest.day, known, known.manifest.files, repaired)

    def _objects(self, files: tuple[FileEntry, ...], paths: Mapping[str, Path], name: str) -> dict[str, int]:
        """Bring a manifest's objects to the target and read them back; return those that were sent, with their sizes."""
        sizes = {entry.blake3: entry.bytes for entry in files}
        skip = set() if self.how.thorough else self.verified
        wanted = {one: Wanted(one, size, paths.get(one)) for one, size in sizes.items() if one not in skip}
        try:
            sent = send_missing(self.target, wanted, self.told)
            verify = "all" if self.how.thorough else self.how.verify
            checked = read_back(self.target, wanted, verify, name, self.told)
        except FileNotFoundError as error:
            raise UnavailableError(f"backup: {error.filename} went away meanwhile: run it again") from error
        self.verified |= checked.verified
        return {one.digest: one.size for one in (*sent, *checked.again)}

    def _absent(self, files: tuple[FileEntry, ...]) -> dict[str, int]:
        sizes = {entry.blake3: entry.bytes for entry in files}
        return {one: size for one, size in sizes.items() if self.target.size(object_name(one)) is None}

    @staticmethod
    def _sent(
        day: str, written: Written | None, files: tuple[FileEntry, ...], new: Mapping[str, int]
    ) -> Sent:
        name, digest = (written.name, written.link.blake3) if written else ("", "")
        size = sum(entry.bytes for entry in files)
        return Sent(day, name, digest, len(files), size, len(new), sum(new.values()))
