"""The chain of manifests at a target."""

from pathlib import Path

import pytest
from tests.unit.observer.test_manifests import written

from veritape.kernel.errors import CheckFailedError
from veritape.observer import manifests
from veritape.observer.adapters.backup.chain import Chain, continued, manifest_names, read_chain
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.targets import FolderTarget
from veritape.observer.manifests import LATEST, BackupReason, Written, manifest_path

FIRST = written("20131007")
SECOND = written("20131008", FIRST.link)
THIRD = written("20131009", SECOND.link)


@pytest.fixture
def target(tmp_path: Path) -> FolderTarget:
    return FolderTarget(tmp_path / "far")


def put(target: FolderTarget, *chain: Written, latest: Written | None = None) -> None:
    for one in chain:
        target.write(manifest_path(one.name), one.content, replace=True)
    if latest is not None:
        target.write(LATEST, manifests.encode_latest(latest.link), replace=True)


def broken(target: FolderTarget) -> None:
    with pytest.raises(CheckFailedError) as caught:
        read_chain(target)
    assert caught.value.reason is BackupReason.CHAIN_BROKEN


def test_the_chain_is_read_back_to_the_first(target: FolderTarget) -> None:
    """OB-754, OB-761: from LATEST, each by the hash that its successor names."""
    assert read_chain(target) == Chain(())
    put(target, FIRST, SECOND, THIRD, latest=THIRD)
    chain = read_chain(target)
    assert chain.written == (THIRD, SECOND, FIRST)
    assert (chain.head, chain.newest("20131008"), chain.newest("20131001")) == (THIRD.link, SECOND, None)
    target.write("manifests/readme.json", b"")
    assert sorted(manifest_names(target)) == ["20131007-1", "20131008-1", "20131009-1"]


def test_a_removed_changed_or_exchanged_manifest_breaks_it(target: FolderTarget) -> None:
    """OB-763: chain_broken wherever it happens, LATEST included."""
    put(target, FIRST, SECOND, THIRD, latest=THIRD)
    for one in (FIRST, SECOND, THIRD):
        target.delete(manifest_path(one.name))
        broken(target)
        target.write(manifest_path(one.name), one.content + b" ")
        broken(target)
        put(target, one)
    target.delete(LATEST)
    broken(target)


def test_an_interrupted_backup_is_continued(target: FolderTarget, tmp_path: Path) -> None:
    """OB-764: manifests that LATEST did not reach are taken in, the first one too; what is no manifest is passed over."""
    records = Records(tmp_path)
    assert continued(target, records) == Chain(())
    put(target, FIRST, SECOND)
    target.write(manifest_path("20131009-1"), b"half")
    assert continued(target, records).written == (SECOND, FIRST)
    assert read_chain(target).head == SECOND.link
    put(target, THIRD)
    assert continued(target, records).head == THIRD.link


def test_a_damaged_manifest_is_put_back_from_the_copy_here(target: FolderTarget, tmp_path: Path) -> None:
    """OB-763: a drill fails, a backup repairs; without a copy it says chain_broken."""
    records = Records(tmp_path)
    put(target, FIRST, SECOND, latest=SECOND)
    target.delete(manifest_path(FIRST.name))
    with pytest.raises(CheckFailedError):
        continued(target, records)
    records.wrote(target.url, FIRST, set())
    records.wrote(target.url, SECOND, set())
    put(target, Written(SECOND.name, FIRST.content, FIRST.manifest))
    assert continued(target, records).written == (SECOND, FIRST)
    assert read_chain(target).written == (SECOND, FIRST)
