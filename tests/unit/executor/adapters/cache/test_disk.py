"""The layer on disk."""

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

from veritape.executor.adapters.cache.disk import LEFTOVER_NS, SECRET, DiskLayer, read_secret
from veritape.executor.adapters.cache.index import NAME as INDEX
from veritape.executor.adapters.cache.index import Written
from veritape.executor.cache.entries import CacheReason
from veritape.executor.cache.memory import Eviction
from veritape.kernel.errors import MisuseError, PeerError, UnavailableError

MIB = 1 << 20
NOW = 1_700_000_000_000_000_000


def key(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8, "little")).digest()


def layer(folder: Path, max_bytes: int = MIB, ttl_ns: int | None = None) -> DiskLayer:
    return DiskLayer(folder, max_bytes, NOW, ttl_ns)


def entry_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.entry"))


def test_a_thousand_items_are_one_durable_write(tmp_path: Path) -> None:
    """EX-343: receipts that finish together lie in one file, each found by its key, also after a restart."""
    disk = layer(tmp_path)
    disk.put({key(number): b"%d" % number for number in range(1000)}, NOW)
    assert len(entry_files(tmp_path)) == 1
    disk.close()
    again = layer(tmp_path)
    assert len(again) == 1000
    assert [again.get(key(number), NOW)[0] for number in (0, 999)] == [b"0", b"999"]
    assert again.get(key(1000), NOW) == (None, [])
    assert again.held_bytes == entry_files(tmp_path)[0].stat().st_size


@pytest.mark.parametrize("damage", ["missing", "old", "truncated", "noise"])
def test_a_lost_index_is_made_anew(tmp_path: Path, damage: str) -> None:
    """EX-404: the files are the truth; a missing or damaged index is rebuilt from them."""
    disk = layer(tmp_path)
    for number in range(5):
        disk.put({key(number): b"%d" % number, key(100 + number): b"second"}, NOW)
    disk.close()
    index = tmp_path / INDEX
    for name in (f"{INDEX}-wal", f"{INDEX}-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    if damage == "missing":
        index.unlink()
    elif damage == "old":
        index.unlink()
        with sqlite3.connect(index) as database:
            database.execute("CREATE TABLE items (key BLOB PRIMARY KEY, name TEXT)")
        database.close()
    else:
        index.write_bytes(index.read_bytes()[:5000] if damage == "truncated" else b"noise" * 1000)
    again = layer(tmp_path)
    assert len(again) == 10
    assert again.get(key(3), NOW)[0] == b"3"


def test_files_and_index_are_reconciled(tmp_path: Path) -> None:
    """EX-404: a file without index row is found, a row without file is forgotten, old temporaries are removed."""
    disk = layer(tmp_path)
    disk.put({key(1): b"1"}, NOW)
    gone, kept = entry_files(tmp_path)[0].rename(tmp_path / "aside"), key(1)
    disk.put({key(2): b"2"}, NOW)
    entry_files(tmp_path)[0].unlink()
    disk.close()
    gone.rename(tmp_path / f"{kept.hex()}.entry")
    young, old = tmp_path / ".young.tmp", tmp_path / ".old.tmp"
    for path, age in ((young, 0), (old, LEFTOVER_NS)):
        path.write_bytes(b"half")
        os.utime(path, ns=(NOW - age, NOW - age))
    again = layer(tmp_path)
    assert len(again) == 1
    assert again.get(key(1), NOW)[0] == b"1"
    assert (young.exists(), old.exists()) == (True, False)


def test_keys_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    """EX-404: the index knows 8 bytes of a key; another key with the same ones is a miss and never another's receipt."""
    disk, first = layer(tmp_path), key(1)
    second, third = first[:8] + key(2)[8:], first[:8] + key(3)[8:]
    disk.put({first: b"first"}, NOW)
    disk.put({second: b"second"}, NOW)
    assert disk.known([third, key(4)]) == {third}
    assert [disk.get(one, NOW)[0] for one in (first, second, third)] == [None, b"second", None]
    disk.drop(second)
    assert (disk.known([second]), len(disk)) == (set(), 0)


def test_what_a_worker_wrote_is_adopted(tmp_path: Path) -> None:
    """EX-343, EX-404: its file is found by its keys at once, and without that after a restart."""
    disk = layer(tmp_path)
    told, untold = {key(1): b"1", key(2): b"2"}, {key(3): b"3"}
    written = disk.writer.write(told, NOW)
    assert written is not None
    assert disk.get(key(1), NOW) == (None, [])
    assert disk.adopt(written, told) == []
    assert disk.get(key(2), NOW)[0] == b"2"
    assert disk.writer.write(untold, NOW) is not None
    disk.close()
    assert layer(tmp_path).get(key(3), NOW)[0] == b"3"


def test_who_adds_a_file_tells_when_the_layer_is_full(tmp_path: Path) -> None:
    """EX-403, EX-404: what a worker wrote and added counts: the file that was used longest ago goes."""
    disk = layer(tmp_path, 5000)
    for number in range(20):
        receipts = {key(number): bytes(300)}
        written = disk.writer.keep(receipts, NOW + number)
        assert written is not None
        held_bytes = written.held_bytes or 0
        assert disk.adopt(written, receipts) == [Eviction.BYTES] * (held_bytes > 5000)
        assert disk.held_bytes <= 5000
    assert (disk.get(key(0), NOW)[0], disk.get(key(19), NOW)[0]) == (None, bytes(300))


def test_a_change_of_the_index_is_whole_or_none(tmp_path: Path) -> None:
    """EX-404: a change that breaks off leaves the index as it was, and open for the next."""
    disk = layer(tmp_path)
    disk.put({key(1): b"1"}, NOW)
    with pytest.raises(sqlite3.IntegrityError):
        disk.adopt(Written("another", None, NOW), [key(1)])  # type: ignore[arg-type]  # no size
    disk.put({key(2): b"2"}, NOW)
    assert [disk.get(key(number), NOW)[0] for number in (1, 2)] == [b"1", b"2"]


def test_an_index_that_found_no_room_takes_the_next_change(tmp_path: Path) -> None:
    """EX-404: SQLite ends a change by itself when its disk is full: the cause is told, not that nothing was begun."""
    disk = layer(tmp_path, 64 * MIB)
    (pages,) = disk._index.database.execute("PRAGMA page_count").fetchone()
    disk._index.database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        disk.put({key(number): b"a" for number in range(5_000)}, NOW)
    assert not disk._index.database.in_transaction
    disk._index.database.execute("PRAGMA max_page_count = 100000")
    disk.put({key(9_999): b"b"}, NOW)
    assert disk.get(key(9_999), NOW)[0] == b"b"


def test_a_hundred_thousand_entries_open_quickly(tmp_path: Path) -> None:
    """EX-404: 20 packs of 5,000 items open from the index; nothing is read again."""
    disk = layer(tmp_path, 1 << 30)
    for first in range(0, 100_000, 5000):
        disk.put({key(number): b"x" for number in range(first, first + 5000)}, NOW)
    disk.close()
    again = layer(tmp_path, 1 << 30)
    assert len(again) == 100_000
    assert again._packs == {}


def test_the_least_recently_used_entries_go_when_it_is_full(tmp_path: Path) -> None:
    """EX-403: bytes are bounded; what was used last stays; a value over an eighth is not stored."""
    disk = layer(tmp_path, 3000)
    for number in range(10):
        assert disk.put({key(number): b"x" * 160}, NOW + number) == []
    disk.get(key(0), NOW + 20)
    assert disk.put({key(10): b"x" * 160}, NOW + 30) == [Eviction.BYTES]
    assert disk.get(key(1), NOW + 30) == (None, [])
    assert disk.get(key(0), NOW + 30)[0] is not None
    assert disk.put({key(11): b"x" * 1000}, NOW) == []
    assert disk.get(key(11), NOW)[0] is None
    assert disk.held_bytes <= 3000


def test_an_old_entry_is_a_miss(tmp_path: Path) -> None:
    """EX-403: with a TTL."""
    disk = layer(tmp_path, ttl_ns=10)
    disk.put({key(1): b"1"}, NOW)
    assert disk.get(key(1), NOW + 9)[0] == b"1"
    assert disk.get(key(1), NOW + 10) == (None, [Eviction.TTL])
    assert entry_files(tmp_path) == []


@pytest.mark.parametrize("change", ["flip", "cut", "foreign", "swapped", "gone"])
def test_a_poisoned_file_is_refused_once_and_deleted(tmp_path: Path, change: str) -> None:
    """EX-408: bad checksum, bad MAC, another cache's file, one under another name: refused, deleted, then a miss."""
    disk = layer(tmp_path / "one")
    disk.put({key(1): b"one", key(3): b"three"}, NOW)
    (path,) = entry_files(tmp_path / "one")
    data = path.read_bytes()
    if change == "flip":
        path.write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    elif change == "cut":
        path.write_bytes(data[:50])
    elif change == "foreign":
        other = layer(tmp_path / "two")
        other.put({key(1): b"forged", key(3): b"three"}, NOW)
        path.write_bytes(entry_files(tmp_path / "two")[0].read_bytes())
    elif change == "swapped":
        disk.put({key(2): b"two"}, NOW)
        path.write_bytes((tmp_path / "one" / f"{key(2).hex()}.entry").read_bytes())
    else:
        path.unlink()
    with pytest.raises(PeerError) as caught:
        disk.get(key(1), NOW)
    assert isinstance(caught.value.reason, CacheReason)
    assert disk.get(key(1), NOW) == (None, [])
    assert disk.get(key(3), NOW) == (None, [])
    assert not path.exists()


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    """EX-405: beside the cache, 32 bytes, mode 0600; a shorter or missing one is named."""
    disk = layer(tmp_path)
    assert (tmp_path / SECRET).stat().st_mode & 0o777 == 0o600
    assert layer(tmp_path).secret == disk.secret == (tmp_path / SECRET).read_bytes()
    assert len(disk.secret) == 32
    (tmp_path / "short").write_bytes(b"short")
    for path in (tmp_path / "short", tmp_path / "none"):
        with pytest.raises(MisuseError, match=r"cache\.secret_file"):
            read_secret(path)


def test_entries_are_listed_verified_and_cleared(tmp_path: Path) -> None:
    """EX-412: every file with its receipts, damaged ones with their reason; clear says how many went."""
    disk = layer(tmp_path)
    disk.put({key(1): b"1", key(2): b"2"}, NOW)
    disk.put({key(3): b"3"}, NOW)
    (tmp_path / f"{key(3).hex()}.entry").write_bytes(b"damaged")
    found = dict(disk.entries())
    assert sorted(len(one) for one in found.values() if isinstance(one, dict)) == [2]
    assert [type(one) for one in found.values()].count(PeerError) == 1
    disk.drop(key(3))
    disk.drop(key(3))
    assert disk.clear() == 2
    assert (len(disk), disk.held_bytes) == (0, 0)
    assert disk.put({}, NOW) == []


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """EX-721: one line with the path."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnavailableError, match="cannot use the cache folder"):
        layer(tmp_path / "file" / "below")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / INDEX).mkdir()
    with pytest.raises((UnavailableError, OSError)):
        layer(tmp_path / "cache")
