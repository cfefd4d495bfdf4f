"""The command ``veritape record``: what it refuses before it records."""

import errno
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from veritape.apps.record import disk_full, record
from veritape.kernel.errors import MisuseError, UnavailableError, VeritapeError
from veritape.observer.adapters.token_files import AccountLock, account_id


def configuration(tmp_path: Path, more: str = "") -> Path:
    path = tmp_path / "record.toml"
    path.write_text(
        f'[observer]\ndata_dir = "{tmp_path}/data"\n[kis]\nappkey = "key"\nappsecret = "secret"\n{more}'
    )
    return path


def refused(*arguments: str) -> VeritapeError:
    result = CliRunner().invoke(record, arguments, standalone_mode=False)
    assert isinstance(result.exception, VeritapeError), result.output
    return result.exception


@pytest.mark.parametrize(
    ("more", "words"),
    [("speed = 5", "kis.speed"), ("[journal]\ncommit_ms = 500", "journal.commit_ms"), ("x", "not TOML")],
)
def test_a_bad_configuration_exits_2_and_names_the_key(tmp_path: Path, more: str, words: str) -> None:
    """OB-981, OB-971."""
    error = refused("--config", str(configuration(tmp_path, more)))
    assert isinstance(error, MisuseError)
    assert words in error.message
    assert "record.toml" in error.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in refused("--config", str(tmp_path / "none.toml")).message


def test_a_held_account_exits_1_with_the_holders_process(tmp_path: Path) -> None:
    """OB-008."""
    lock = AccountLock(tmp_path / "elsewhere", account_id("key"))
    lock.acquire()
    error = refused("--config", str(configuration(tmp_path)), "--data", str(tmp_path / "elsewhere"))
    assert isinstance(error, UnavailableError)
    assert (error.exit_code, "records this account already" in error.message) == (1, True)
    lock.release()


def test_a_closed_day_and_a_bad_calendar_are_refused(tmp_path: Path) -> None:
    """OB-125, OB-123."""
    good = configuration(tmp_path)
    assert "closed on 20131006" in refused("--config", str(good), "--day", "20131006").message
    missing = configuration(tmp_path, f'[calendar]\noverride_file = "{tmp_path}/none.toml"')
    assert "calendar.override_file" in refused("--config", str(missing), "--day", "20131007").message


@pytest.mark.parametrize("day", ["today", "2013-10-07", "20130230", "2013280"])
def test_a_day_that_is_no_date_is_refused(tmp_path: Path, day: str) -> None:
    """OB-971: bad usage is exit 2 and one line."""
    error = refused("--config", str(configuration(tmp_path)), "--day", day)
    assert (error.exit_code, error.message) == (2, f"--day {day}: expected a date as YYYYMMDD")


def test_a_disk_that_is_full_for_a_segment_is_one_line(tmp_path: Path) -> None:
    """OB-510, OB-971: what, where, what to do; exit 1."""
    error = disk_full(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "09.parquet"), tmp_path)
    assert error.exit_code == 1
    assert error.message == (
        "record: No space left on device: 09.parquet: every acknowledged frame is durable; free some space and start again"
    )
    assert str(tmp_path) in disk_full(OSError(errno.ENOSPC, "x"), tmp_path).message
