"""The issuers' keys that do not change: shared secrets and PEM files, read when a policy is loaded (GW-101, GW-431)."""

import stat
from collections.abc import Mapping
from pathlib import Path

from veritape.gateway.adapters.token_verifier import PUBLISHED, Trust
from veritape.gateway.token_keys import pem_key, secret_key
from veritape.gateway.tokens import Algorithm, Key, TokenIssuer
from veritape.kernel.errors import MisuseError


def read_trust(
    issuers: tuple[TokenIssuer, ...], environment: Mapping[str, str], secret_file: Path | None
) -> Trust:
    """Return whose tokens are believed.

    Args:
        issuers: the policy's.
        environment: variables that ``secret_env`` names.
        secret_file: secret of HS256 issuers that name none.

    Raises:
        MisuseError: a key is missing, too weak, or of another kind; the issuer is named, the secret never.
    """
    keys = {one.issuer: _key(one, environment, secret_file) for one in issuers if one.source != PUBLISHED}
    return Trust({one.issuer: one for one in issuers}, keys)


def _key(issuer: TokenIssuer, environment: Mapping[str, str], secret_file: Path | None) -> Key:
    try:
        octets = _octets(issuer, environment, secret_file)
        return (
            secret_key(octets) if issuer.algorithm is Algorithm.HS256 else pem_key(octets, issuer.algorithm)
        )
    except OSError as error:
        raise MisuseError(f"jwt.issuer {issuer.issuer}: {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise MisuseError(f"jwt.issuer {issuer.issuer}: {error}") from error


def _octets(issuer: TokenIssuer, environment: Mapping[str, str], secret_file: Path | None) -> bytes:
    if issuer.source == "secret_env":
        if issuer.place not in environment:
            raise ValueError(f"secret_missing: the variable {issuer.place} is not set")
        return environment[issuer.place].encode()
    path = Path(issuer.place) if issuer.source else secret_file
    if path is None:
        raise ValueError("secret_missing: name secret_env or secret_file, or set jwt.secret_file")
    octets = path.read_bytes()
    if issuer.algorithm is not Algorithm.HS256:
        return octets
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"secret_mode: {path} is readable by others: chmod 600 it")
    return octets.rstrip(b"\r\n")
