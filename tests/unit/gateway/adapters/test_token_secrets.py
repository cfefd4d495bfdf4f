"""Keys of issuers that do not change, from files and the environment."""

from pathlib import Path

import pytest
from tests.tokens import AUDIENCE, ISSUER, SECRET, ec_key, pem, rsa_key

from veritape.gateway.adapters.token_secrets import read_trust
from veritape.gateway.adapters.token_verifier import PUBLISHED
from veritape.gateway.token_keys import pem_key, secret_key
from veritape.gateway.tokens import Algorithm, TokenIssuer
from veritape.kernel.errors import MisuseError

HS = TokenIssuer(ISSUER, AUDIENCE, Algorithm.HS256, "secret_env", "TOKEN_SECRET")


def written(folder: Path, octets: bytes, mode: int = 0o600) -> str:
    path = folder / "key"
    path.write_bytes(octets)
    path.chmod(mode)
    return str(path)


def test_secrets_come_from_the_environment_or_files(tmp_path: Path) -> None:
    """GW-101, GW-431: the policy names them, the setting ``jwt.secret_file`` is for who names none."""
    path = written(tmp_path, SECRET + b"\n")
    environment = {"TOKEN_SECRET": SECRET.decode()}
    for issuer, default in (
        (HS, None),
        (HS._replace(source="secret_file", place=path), None),
        (HS._replace(source="", place=""), Path(path)),
    ):
        trust = read_trust((issuer,), environment, default)
        assert trust.issuers == {ISSUER: issuer}
        assert trust.keys[ISSUER].as_dict() == secret_key(SECRET).as_dict()


def test_public_keys_come_from_pem_files(tmp_path: Path) -> None:
    """GW-431: anybody may read them; a published set is fetched later."""
    path = written(tmp_path, pem(rsa_key()), 0o644)
    issuer = HS._replace(algorithm=Algorithm.RS256, source="pem_file", place=path)
    fetched = HS._replace(issuer="b", source=PUBLISHED, place="https://id.example/keys")
    trust = read_trust((issuer, fetched), {}, None)
    assert trust.keys[ISSUER].as_dict() == pem_key(pem(rsa_key()), Algorithm.RS256).as_dict()
    assert set(trust.issuers) == {ISSUER, "b"}
    assert set(trust.keys) == {ISSUER}


@pytest.mark.parametrize(
    ("issuer", "octets", "mode", "match"),
    [
        (HS, b"", 0o600, "secret_missing: the variable TOKEN_SECRET is not set"),
        (HS._replace(source=""), b"", 0o600, "secret_missing: name secret_env or secret_file"),
        (HS._replace(source="secret_file"), SECRET, 0o644, "secret_mode: .*chmod 600"),
        (HS._replace(source="secret_file"), b"short\n", 0o600, "secret_short: 5 bytes, 32 are needed"),
        (HS._replace(source="secret_file"), pem(rsa_key()), 0o600, "secret_is_a_key"),
        (HS._replace(source="pem_file", algorithm=Algorithm.RS256), pem(ec_key()), 0o644, "pem_of_another_kind"),
    ],
)  # fmt: skip
def test_each_bad_secret_is_one_line(
    issuer: TokenIssuer, octets: bytes, mode: int, match: str, tmp_path: Path
) -> None:
    """GW-431, GW-941: it names the issuer, never the secret."""
    issuer = (
        issuer if issuer.source == "secret_env" else issuer._replace(place=written(tmp_path, octets, mode))
    )
    with pytest.raises(MisuseError, match=f"jwt.issuer {ISSUER}: {match}") as caught:
        read_trust((issuer,), {}, None)
    assert SECRET.decode() not in caught.value.message


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """GW-941: with its path."""
    issuer = HS._replace(source="secret_file", place=str(tmp_path / "none"))
    with pytest.raises(MisuseError, match=r"none: No such file"):
        read_trust((issuer,), {}, None)
