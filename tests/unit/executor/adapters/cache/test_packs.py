"""The writer of packs."""

import hashlib
import pickle
from pathlib import Path

from veritape.executor.adapters.cache.index import Written
from veritape.executor.adapters.cache.packs import SUFFIX, PackWriter
from veritape.executor.cache.entries import from_file, unpack

SECRET = b"a secret of thirty-two bytes ...".ljust(32, b".")
RECEIPTS = {hashlib.sha256(bytes([number])).digest(): b"receipt %d" % number for number in range(3)}


def test_receipts_become_one_durable_file(tmp_path: Path) -> None:
    """EX-343, EX-404: under its final name or not at all, authenticated, and told with its size and time."""
    writer = PackWriter(tmp_path, SECRET, 1 << 20)
    written = writer.write(RECEIPTS, 7)
    (path,) = tmp_path.iterdir()
    assert written == Written(path.name, path.stat().st_size, 7)
    entry = from_file(path.read_bytes(), SECRET)
    assert (path.name, entry.created_ns) == (entry.key.hex() + SUFFIX, 7)
    assert unpack(entry.key, entry.body) == RECEIPTS


def test_what_is_too_large_for_the_cache_is_not_written(tmp_path: Path) -> None:
    """EX-403: over an eighth of the layer."""
    assert PackWriter(tmp_path, SECRET, 800).write(RECEIPTS, 7) is None
    assert list(tmp_path.iterdir()) == []


def test_a_writer_travels_and_keeps_its_secret(tmp_path: Path) -> None:
    """EX-405: to a worker as a value; what prints it shows no secret."""
    writer = PackWriter(tmp_path, SECRET, 1 << 20)
    assert pickle.loads(pickle.dumps(writer)) == writer  # noqa: S301 - our own bytes
    assert "secret" not in repr(writer)
