"""Which recording, and which day of it."""

from pathlib import Path

import pytest

from veritape.apps.recorded_days import recorded_day, require_date, require_folder
from veritape.kernel.errors import MisuseError

DAYS = ("20131008", "20131007")


def test_the_newest_day_stands_for_none(tmp_path: Path) -> None:
    assert recorded_day(None, DAYS, tmp_path, "KRX") == "20131008"
    assert recorded_day("20131007", DAYS, tmp_path, "KRX") == "20131007"


def test_what_was_not_recorded_is_refused_with_what_was(tmp_path: Path) -> None:
    with pytest.raises(
        MisuseError, match=r"no recording of day 2014 in .*: recorded are 20131007, 20131008$"
    ):
        recorded_day("2014", DAYS, tmp_path, "KRX")
    with pytest.raises(MisuseError, match=r"no recording of NXT in .*: give the folder that holds journal/$"):
        recorded_day(None, (), tmp_path, "NXT")


def test_a_folder_must_be_there(tmp_path: Path) -> None:
    assert require_folder(tmp_path, "--data", "a folder") == tmp_path
    with pytest.raises(MisuseError, match=r"--data .*none: no such folder: give the recording$"):
        require_folder(tmp_path / "none", "--data", "the recording")


def test_a_day_is_a_date() -> None:
    """OB-971: bad usage."""
    require_date(None)
    require_date("20131007")
    for wrong in ("today", "2013-10-07", "20131307", "00000101"):
        with pytest.raises(MisuseError, match="expected a date"):
            require_date(wrong)
