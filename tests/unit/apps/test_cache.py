"""``veritape cache``."""

import json
from pathlib import Path

from click.testing import CliRunner, Result
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO, disk_cache, key_of

from veritape.apps.cache import cache


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        cache, ["--path", str(folder), *arguments], standalone_mode=False, catch_exceptions=False
    )


def test_the_disk_layer_is_counted_verified_and_cleared(tmp_path: Path) -> None:
    """EX-412: stats, verify with exit 1 when an entry is damaged or under a wrong key, clear."""
    kept = disk_cache(tmp_path)
    for data in (b"abcd", b"efgh"):
        kept.put({key_of(ECHO, data): SIMULATOR.run(ECHO, data).to_bytes()})
    kept.close()
    assert json.loads(invoke(tmp_path, "stats", "--json").output)["receipts"] == 2
    assert "2 receipts (executed, not proven)" in invoke(tmp_path, "stats").output
    done = invoke(tmp_path, "verify")
    assert (done.return_value, done.output) == (0, "2 receipts read, 0 damaged\n")
    first, second = sorted(tmp_path.glob("*.entry"))
    first.write_bytes(b"damaged")
    other = disk_cache(tmp_path)
    assert other.disk is not None
    other.disk.put({key_of(ECHO, b"ijkl"): SIMULATOR.run(ECHO, b"abcd").to_bytes()}, 1)
    other.close()
    done = invoke(tmp_path, "verify", "--json")
    assert done.return_value == 1
    shown = json.loads(done.output)
    assert sorted(one["reason"] for one in shown["damaged"]) == ["bad_entry", "foreign_claim"]
    assert f"{first.name}: bad_entry" in invoke(tmp_path, "verify").output
    assert invoke(tmp_path, "clear").output.endswith("receipts deleted\n")
    assert not second.exists()
