"""Secrets on disk and the account's lock."""

import os
from pathlib import Path

import pytest

from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.observer.adapters.token_files import (
    AccountLock,
    Stored,
    TokenStore,
    account_id,
    read_key,
    refused_credentials,
)
from veritape.observer.tokens import Token

TOKEN = Token("the-secret-text", 1, 2)
NOTHING = Stored(None, None)


def test_an_account_is_named_by_a_digest() -> None:
    """OB-008, KIS-006: 8 hex digits; the appkey appears in no path."""
    assert account_id("the-key") == account_id("the-key")
    assert len(account_id("the-key")) == 8
    assert account_id("the-key") != account_id("the-kez")


def test_the_second_process_is_told_who_holds_the_account(tmp_path: Path) -> None:
    """OB-008: an exclusive lock with the holder's process id in the message, exit 1."""
    first, second = AccountLock(tmp_path, "abc"), AccountLock(tmp_path, "abc")
    first.acquire()
    with pytest.raises(UnavailableError, match=f"process {os.getpid()} records this account") as refusal:
        second.acquire()
    assert refusal.value.exit_code == 1
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_a_token_survives_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """OB-404, OB-405: file 0600 in a 0700 folder; another host's token is not used."""
    store = TokenStore(tmp_path, "abc", "https://host", None)
    assert store.load() == NOTHING
    store.save(TOKEN, 7)
    path = tmp_path / "token" / "abc.json"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert store.load() == Stored(TOKEN, 7)
    assert TokenStore(tmp_path, "abc", "https://other", None).load() == NOTHING
    assert TokenStore(tmp_path, "abc", "https://host", None, "paper").load() == NOTHING


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """OB-405: a wider mode is refused."""
    store = TokenStore(tmp_path, "abc", "https://host", None)
    store.save(TOKEN, 7)
    (tmp_path / "token" / "abc.json").chmod(0o640)
    with pytest.raises(MisuseError, match="chmod 600"):
        store.load()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff"])
def test_a_damaged_file_is_no_token(tmp_path: Path, content: bytes) -> None:
    """OB-991: a new one is issued instead."""
    store = TokenStore(tmp_path, "abc", "https://host", None)
    store.save(TOKEN, 7)
    (tmp_path / "token" / "abc.json").write_bytes(content)
    assert store.load() == NOTHING


@pytest.mark.parametrize("key", [bytes(range(32)), bytes(range(32)).hex().encode() + b"\n"])
def test_with_a_key_the_file_is_encrypted(tmp_path: Path, key: bytes) -> None:
    """OB-405: AES-256-GCM; another key does not open it."""
    key_file, other = tmp_path / "key", tmp_path / "other"
    key_file.write_bytes(key)
    other.write_bytes(bytes(32))
    store = TokenStore(tmp_path, "abc", "https://host", key_file)
    store.save(TOKEN, 7)
    assert b"the-secret-text" not in (tmp_path / "token" / "abc.json").read_bytes()
    assert store.load() == Stored(TOKEN, 7)
    with pytest.raises(MisuseError, match="does not open it"):
        TokenStore(tmp_path, "abc", "https://host", other).load()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"short", "expected 32 bytes"), (b"z" * 64, "not hexadecimal"), (None, "No such file")],
)
def test_a_bad_key_file_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    """OB-981: token.key_file."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MisuseError, match=words):
        read_key(path)


def test_refused_credentials_exit_1() -> None:
    """OB-402: bad_credentials, exit 1."""
    assert refused_credentials("EGW00103").exit_code == 1


def test_an_attempt_is_remembered_without_a_token(tmp_path: Path) -> None:
    """OB-402, OB-404: the next process waits 61 s from it."""
    store = TokenStore(tmp_path, "abc", "https://host", None)
    store.save(None, 9)
    assert store.load() == Stored(None, 9)


def test_one_process_holds_the_store_during_an_issue(tmp_path: Path) -> None:
    """OB-404, OB-1019: locked; the folder is private and holds nothing beside the token."""
    first, second = (TokenStore(tmp_path, "abc", "https://host", None) for _ in range(2))
    with first.locked() as ours:
        assert ours
        with second.locked() as theirs:
            assert not theirs
    with second.locked() as theirs:
        assert theirs
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "token").iterdir()) == []
