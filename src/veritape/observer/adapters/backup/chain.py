"""The manifests of a target, from ``LATEST`` back to the first (OB-754, OB-761)."""

import re
from dataclasses import dataclass

from veritape.kernel.errors import CheckFailedError, VeritapeError
from veritape.observer import manifests
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.targets import Target
from veritape.observer.manifests import LATEST, BackupReason, Link, Written, manifest_path


@dataclass(frozen=True)
class Chain:
    """Every manifest that ``LATEST`` leads to, newest first."""

    written: tuple[Written, ...]
    """None in an empty target."""

    @property
    def head(self) -> Link | None:
        """Return what the next manifest names as its previous."""
        return self.written[0].link if self.written else None

    def newest(self, day: str) -> Written | None:
        """Return the last manifest of a day."""
        return next((one for one in self.written if one.manifest.day == day), None)


def read_chain(target: Target) -> Chain:
    """Read and check the whole chain.

    Raises:
        CheckFailedError: ``chain_broken``.
        PeerError: ``bad_manifest`` or ``bad_path``.
        UnavailableError: the target is away.
    """
    latest = target.read(LATEST)
    if latest is None:
        if manifest_names(target):
            raise CheckFailedError(f"{LATEST} is missing, and there are manifests", BackupReason.CHAIN_BROKEN)
        return Chain(())
    return _walk(target, manifests.parse_latest(latest))


def manifest_names(target: Target) -> list[str]:
    """Return the names of all manifests of a target, in the chain or not."""
    files = [stored.name for stored in target.names("manifests")]
    names = (file.removeprefix("manifests/").removesuffix(".json") for file in files)
    return [name for name in names if re.fullmatch(manifests.MANIFEST_NAME, name)]


def continued(target: Target, records: Records) -> Chain:
    """Read the chain to write behind it: what an interrupted backup left is taken in, what this machine has a copy of is put back.

    Raises:
        CheckFailedError: ``chain_broken``, and no copy here.
    """
    latest = target.read(LATEST)
    head = None if latest is None else manifests.parse_latest(latest)
    if head is not None:
        _repair(target, records, head)
    chain = Chain(()) if head is None else _walk(target, head)
    known = {one.name for one in chain.written}
    loose = [one for name in manifest_names(target) if name not in known and (one := _loose(target, name))]
    while (following := manifests.successor(chain.head, loose)) is not None:
        target.write(LATEST, manifests.encode_latest(following.link), replace=True)
        chain = Chain((following, *chain.written))
    return chain


def _walk(target: Target, link: Link | None) -> Chain:
    written: list[Written] = []
    while link is not None:
        written.append(manifests.follow(link, target.read(manifest_path(link.name))))
        link = written[-1].manifest.previous
    return Chain(tuple(written))


def _repair(target: Target, records: Records, head: Link) -> None:
    """Put back manifests that are missing or changed at the target and unharmed here."""
    link: Link | None = head
    while link is not None:
        content = target.read(manifest_path(link.name))
        if content is None or manifests.digest(content) != link.blake3:
            content = records.manifest(target.url, link)
            if content is not None:
                target.write(manifest_path(link.name), content, replace=True)
        link = manifests.follow(link, content).manifest.previous


def _loose(target: Target, name: str) -> Written | None:
    """Return a manifest outside the chain, None for what is none."""
    content = target.read(manifest_path(name))
    try:
        return None if content is None else Written(name, content, manifests.parse(content))
    except VeritapeError:
        return None
