"""Which tape is played and how."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from veritape.apps.played_tape import BUNDLED, PlayedTape, load_series, parse_speed, plays
from veritape.kernel.errors import MisuseError
from veritape.replay.series import TapeReason


@click.command()
@plays
def played_back(played: PlayedTape) -> PlayedTape:
    """Say what would be played."""
    return played


def test_speeds() -> None:
    """OB-810: 0.1 to 1,000 or max."""
    assert (parse_speed("max"), parse_speed("60"), parse_speed("0.1")) == (None, 60.0, 0.1)


def test_a_command_receives_what_is_played(tmp_path: Path) -> None:
    """OB-815: --tape replaces the bundled tape."""
    path = tmp_path / "a:b.csv"
    path.write_text("34200000,100,5\n")
    arguments = ["--speed", "max", "--fault", "drop=0.01", "--seed", "9", "--tape", f"{path}:000001"]
    said = CliRunner().invoke(played_back, arguments, standalone_mode=False).return_value
    assert said == PlayedTape("max", ("drop=0.01",), 9, (f"{path}:000001",))
    assert (said.codes, PlayedTape().codes) == (("000001",), tuple(BUNDLED))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--speed", "fast"], "--speed fast: expected 0.1 to 1000 or max"),
        (["--fault", "melt=1"], "unknown fault 'melt'"),
        (["--tape", "none.csv:123456"], "--tape none.csv: No such file"),
        (["--tape", "none.csv"], "expected FILE:CODE"),
    ],
)
def test_what_cannot_be_played_is_refused_before_the_command_runs(arguments: list[str], words: str) -> None:
    """OB-971: bad usage exits 2 with one line, whichever command plays."""
    refused = CliRunner().invoke(played_back, arguments).exception
    assert isinstance(refused, MisuseError)
    assert words in refused.message


@pytest.mark.parametrize("text", ["0", "1001", "fast", "nan"])
def test_a_bad_speed_is_refused(text: str) -> None:
    with pytest.raises(MisuseError, match="to 1000 or max"):
        parse_speed(text)


def test_the_bundled_tapes_are_the_default() -> None:
    """OB-805: IBM, AIG, BAC."""
    assert [one.code for one in load_series((), every_hour=False, auctions=False)] == [
        "990001",
        "990002",
        "990003",
    ]


def test_another_tape_is_played_in_their_place(tmp_path: Path) -> None:
    """OB-815: --tape FILE:CODE, a CSV of milliseconds, price, size."""
    path = tmp_path / "day.csv"
    path.write_text("34200000,100,5\n34200001,101,6\n")
    (series,) = load_series((f"{path}:123456",), every_hour=False, auctions=False)
    assert (series.code, series.trades[-1].chain_shares) == ("123456", 11)


@pytest.mark.parametrize(
    ("tapes", "reason"),
    [
        (("x.csv",), TapeReason.BAD_CODE),
        (("x.csv:12",), TapeReason.BAD_CODE),
        (("{}:123456", "{}:123456"), TapeReason.REPEATED_CODE),
    ],
)
def test_a_bad_tape_option_is_refused(tmp_path: Path, tapes: tuple[str, ...], reason: TapeReason) -> None:
    """OB-815: a repeated code or a malformed option exits 2."""
    path = tmp_path / "day.csv"
    path.write_text("34200000,100,5\n")
    with pytest.raises(MisuseError) as refusal:
        load_series(tuple(tape.format(path) for tape in tapes), every_hour=False, auctions=False)
    assert refusal.value.reason is reason


def test_a_missing_tape_is_named(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="No such file"):
        load_series((f"{tmp_path}/none.csv:123456",), every_hour=False, auctions=False)
