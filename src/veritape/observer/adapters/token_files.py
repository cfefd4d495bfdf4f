"""The stored token and the account's lock (OB-008, OB-404, OB-405).

``token/<id>.json`` is 0600 in a 0700 folder; ``<id>`` is a digest of the appkey, which itself appears in no path.
"""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from veritape.kernel.errors import CheckFailedError, MisuseError, UnavailableError
from veritape.kernel.files import write_atomically
from veritape.observer.tokens import Token

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
"""Permission bits of secrets."""

KEY_BYTES, NONCE_BYTES = 32, 12
"""AES-256-GCM."""


def account_id(appkey: str) -> str:
    """Return the name under which an account's files lie: 8 hex digits of BLAKE3(appkey)."""
    return blake3(appkey.encode()).hexdigest()[:8]


class AccountLock:
    """One process an account: an exclusive lock that names its holder."""

    def __init__(self, data: Path, account: str) -> None:
        self._path = data / f"account-{account}.lock"
        self._file: TextIO | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            UnavailableError: another process holds it, which the message names by its id, or there is no such folder
                and none can be made.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+")
        except OSError as error:
            raise UnavailableError(
                f"record: observer.data_dir {self._path.parent}: {error.strerror}: name a folder that can be written"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise UnavailableError(
                f"record: process {holder} records this account already ({self._path.name}): stop it first"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let go."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Stored(NamedTuple):
    """What the file says."""

    token: Token | None
    """The newest token."""
    attempted_ns: int | None
    """Wall clock of the last issue call of any process, answered or not."""


class TokenStore:
    """The token of one account and environment."""

    def __init__(
        self, data: Path, account: str, host: str, key_file: Path | None, environment: str = "real"
    ) -> None:
        self._path = data / "token" / f"{account}.json"
        self._host = host
        self._environment = environment
        self._key = None if key_file is None else read_key(key_file)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the folder of tokens for one issue; yields False when another process holds it (OB-404)."""
        self._make_folder()
        lock = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(lock)

    def load(self) -> Stored:
        """Return what is stored; a file of another host or environment, or a damaged one, says nothing.

        Raises:
            MisuseError: the file is readable by others, or the key does not open it.
        """
        if not self._path.exists():
            return Stored(None, None)
        if stat.S_IMODE(self._path.stat().st_mode) & 0o077:
            raise MisuseError(f"{self._path}: others may read it: chmod 600 it, or delete it")
        try:
            document = json.loads(self._open(self._path.read_bytes()))
            if (document["host"], document["environment"]) != (self._host, self._environment):
                return Stored(None, None)
            return Stored(_token_of(document), int(document["attempted_ns"]))
        except (ValueError, KeyError, TypeError):
            return Stored(None, None)

    def save(self, token: Token | None, attempted_ns: int) -> None:
        """Store a token and the time of the last issue call, readable by its owner alone."""
        self._make_folder()
        document = {
            "token": token and token.text,
            "issued_ns": token and token.issued_ns,
            "expires_ns": token and token.expires_ns,
            "attempted_ns": attempted_ns,
            "host": self._host,
            "environment": self._environment,
        }
        write_atomically(self._path, self._close(json.dumps(document).encode()), PRIVATE_FILE)

    def _make_folder(self) -> None:
        self._path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._path.parent.chmod(PRIVATE_FOLDER)

    def _open(self, data: bytes) -> bytes:
        if self._key is None:
            return data
        try:
            return AESGCM(self._key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], b"veritape.token.v1")
        except InvalidTag:
            raise MisuseError(
                f"{self._path}: token.key_file does not open it: delete it or restore the key"
            ) from None

    def _close(self, data: bytes) -> bytes:
        if self._key is None:
            return data
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, data, b"veritape.token.v1")


def _token_of(document: dict[str, Any]) -> Token | None:
    if document["token"] is None:
        return None
    return Token(str(document["token"]), int(document["issued_ns"]), int(document["expires_ns"]))


def read_key(path: Path) -> bytes:
    """Read an encryption key: 32 bytes or 64 hex digits.

    Raises:
        MisuseError: it cannot be read or has another length.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MisuseError(f"token.key_file {path}: {error.strerror}") from error
    if len(data.strip()) == 2 * KEY_BYTES:
        try:
            return bytes.fromhex(data.strip().decode())
        except ValueError:
            raise MisuseError(f"token.key_file {path}: not hexadecimal") from None
    if len(data) != KEY_BYTES:
        raise MisuseError(f"token.key_file {path}: expected {KEY_BYTES} bytes or {2 * KEY_BYTES} hex digits")
    return data


def refused_credentials(code: str) -> CheckFailedError:
    """Return the error of credentials that the broker refuses."""
    return CheckFailedError(
        f"record: the broker refuses the credentials ({code}): check kis.appkey and kis.appsecret"
    )
