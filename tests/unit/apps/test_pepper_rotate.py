"""``veritape keys pepper-rotate``."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from veritape.apps.key_access import open_keys
from veritape.apps.keys import keys
from veritape.apps.serve import gateway_settings
from veritape.gateway.adapters.peppers import PREVIOUS
from veritape.gateway.keys import key_digest, pepper_id
from veritape.kernel.errors import MisuseError


def pepper_file(folder: Path, name: str, octets: bytes) -> str:
    path = folder / name
    path.write_bytes(octets)
    path.chmod(0o600)
    return str(path)


def test_the_pepper_changes_while_keys_go_on_serving(tmp_path: Path) -> None:
    """GW-403, GW-703: it says how many keys still use the old one, and does not end one that is used."""
    config = tmp_path / "gateway.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n')

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(keys, [*arguments, "--config", str(config)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    key = call("create", "acme", "--tier", "free")
    call("create", "acme")
    assert call("pepper-rotate") == "0 keys still use the pepper before"
    first, second = pepper_file(tmp_path, "first", b"n" * 32), pepper_file(tmp_path, "second", b"m" * 32)
    assert call("pepper-rotate", "--new", first) == "2 keys still use the pepper before"
    with pytest.raises(MisuseError, match="2 keys still use the pepper before: rotate or revoke them"):
        call("pepper-rotate", "--new", second)

    store, present = open_keys(gateway_settings(config))
    record = store.find(key)
    assert record is not None
    assert present == b"n" * 32
    store.move_keys({record.id: key_digest(present, key)})
    assert "" in store.changes_since(-1).accounts
    other = next(one for one in store.list("acme") if one.id != record.id)
    store.close()
    assert call("pepper-rotate") == "1 keys still use the pepper before"
    call("revoke", other.id)
    assert call("pepper-rotate") == "0 keys still use the pepper before"
    assert not (tmp_path / "data" / PREVIOUS).exists()
    with pytest.raises(MisuseError, match="this is the present pepper"):
        call("pepper-rotate", "--new", first)
    call("pepper-rotate", "--new", second)
    audit = next((tmp_path / "data" / "audit").glob("*.jsonl")).read_text()
    assert f'"pepper:{pepper_id(b"m" * 32)}"' in audit
    store, _ = open_keys(gateway_settings(config))
    assert store.find(key) is not None
    store.close()


@pytest.mark.parametrize(
    ("octets", "mode", "match"),
    [(b"x" * 31, 0o600, "pepper_short"), (b"x" * 32, 0o644, "pepper_mode"), (None, 0, "pepper_missing")],
)
def test_a_bad_pepper_changes_nothing(tmp_path: Path, octets: bytes | None, mode: int, match: str) -> None:
    """GW-941: each is one line."""
    config = tmp_path / "gateway.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    if octets is not None:
        pepper_file(tmp_path, "new", octets)
        (tmp_path / "new").chmod(mode)
    arguments = ["pepper-rotate", "--config", str(config), "--new", str(tmp_path / "new")]
    with pytest.raises(MisuseError, match=match):
        CliRunner().invoke(keys, arguments, catch_exceptions=False)
    assert not (tmp_path / "data" / PREVIOUS).exists()
