"""``veritape keys revoke-token``."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from veritape.apps.key_access import open_keys
from veritape.apps.keys import keys
from veritape.apps.serve import gateway_settings
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.kernel.errors import MisuseError

ISSUER = (
    b'[[jwt.issuer]]\nissuer = "https://id.example"\naudience = "v"\nalgorithm = "RS256"\n'
    b'jwks_url = "https://id.example/keys"\nmax_age_s = 600\n'
)


def test_a_token_is_revoked_for_as_long_as_it_could_be_valid(tmp_path: Path) -> None:
    """GW-434, GW-703: longest life and twice the leeway; the issuer is one of the policy."""
    (tmp_path / "policy.toml").write_bytes(shipped_policy() + ISSUER)
    config = tmp_path / "gateway.toml"
    config.write_text(f'policy = "{tmp_path / "policy.toml"}"\ndata_dir = "{tmp_path / "data"}"\n')
    asked = ["revoke-token", "j1", "--config", str(config), "--issuer"]
    result = CliRunner().invoke(keys, [*asked, "https://id.example", "--reason", "leaked"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("token j1 is revoked, everywhere from 20")
    store, _ = open_keys(gateway_settings(config))
    revoked = store._database.rows("SELECT issuer, jti, until_us FROM revoked_token")
    changed = store.changes_since(-1).accounts
    store.close()
    assert [row[:2] for row in revoked] == [("https://id.example", "j1")]
    assert changed == {""}
    assert "leaked" in next((tmp_path / "data" / "audit").glob("*.jsonl")).read_text()
    with pytest.raises(MisuseError, match="unknown issuer 'x'; known are https"):
        CliRunner().invoke(keys, [*asked, "x"], catch_exceptions=False)
