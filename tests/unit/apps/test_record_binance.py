"""``veritape record`` for the second venue."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from veritape.apps.record import PREFIX, record
from veritape.apps.record_binance import FAMILIES, record_binance, wants_binance
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.observer.adapters.token_files import AccountLock
from veritape.observer.metrics import METRICS

CONFIGURATION = """
[observer]
data_dir = "{data}"
venue = "BINANCE"
[binance]
codes = ["BTCUSDT"]
rest_url = "http://127.0.0.1:9"
stream_url = "ws://127.0.0.1:9"
[telemetry]
listen = ""
"""


@pytest.mark.parametrize(
    ("content", "environment", "wanted"),
    [
        (b'[observer]\nvenue = "BINANCE"', {}, True),
        (b'[observer]\nvenue = "KRX"', {f"{PREFIX}_OBSERVER__VENUE": "BINANCE"}, True),
        (b'[observer]\nvenue = "BINANCE"', {f"{PREFIX}_OBSERVER__VENUE": "KRX"}, False),
        (b"[observer]", {}, False),
        (b"observer = 5", {}, False),
        (b"not toml", {}, False),
        (b"\xff", {}, False),
    ],
)
def test_the_venue_decides_which_recorder_runs(
    content: bytes, environment: dict[str, str], wanted: bool
) -> None:
    """OB-981: ``observer.venue`` of the file or the environment; a broken file is told by who reads it."""
    assert wants_binance(content, environment, PREFIX) == wanted


def test_a_day_that_is_over_is_refused(tmp_path: Path) -> None:
    """OB-971: exit 2."""
    content = CONFIGURATION.format(data=tmp_path).encode()
    with pytest.raises(MisuseError, match="the UTC day 20240808 is over"):
        record_binance(content, {}, PREFIX, "record.toml", "20240808")


def test_a_bad_key_is_named_by_the_command(tmp_path: Path) -> None:
    """OB-981: the command reads this venue's settings."""
    path = tmp_path / "record.toml"
    path.write_text(CONFIGURATION.format(data=tmp_path).replace("codes", "symbols"))
    result = CliRunner().invoke(record, ["--config", str(path)], standalone_mode=False)
    assert isinstance(result.exception, MisuseError)
    assert "binance.codes" in result.exception.message


def test_a_second_recorder_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """OB-008: one process a data directory; the message names the holder."""
    lock = AccountLock(tmp_path, "binance")
    lock.acquire()
    try:
        with pytest.raises(UnavailableError):
            record_binance(CONFIGURATION.format(data=tmp_path).encode(), {}, PREFIX, "record.toml", None)
    finally:
        lock.release()


def test_only_families_that_mean_something_here_are_shown() -> None:
    """OB-961: no slots, tokens or sweeps without an account."""
    assert set(FAMILIES) < set(METRICS)
