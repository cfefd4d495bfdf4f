"""The guide of the replayed broker says what is unknown and what the replay does about it."""

import re
from pathlib import Path

from click.testing import CliRunner

from veritape.apps.replay import replay
from veritape.replay.fault_kinds import KINDS

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "replay.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in GUIDE.splitlines()
    if re.match(r"\| KIS-2(8[1-9]|9[0-2]) \|", line)
]


def test_every_unknown_has_a_default_and_where_there_is_one_another_behaviour() -> None:
    """KIS-280, KIS-001: each of the twelve unknowns is tagged U; its other behaviour is a fault or an option that exists."""
    assert [row[0] for row in ROWS] == [f"KIS-{number}" for number in range(281, 293)]
    options = {name for option in replay.params for name in option.opts}
    for _, unknown, evidence, default, other in ROWS:
        assert unknown
        assert (evidence, bool(default)) == ("U", True)
        named = {re.split("[= ]", text)[0] for text in re.findall(r"`([^`]+)`", other)}
        assert named <= set(KINDS) | options
    assert sum(bool(row[4]) for row in ROWS) == 10


def test_the_command_points_to_the_choices_and_lists_the_faults() -> None:
    """KIS-221, OB-851: one line at start leads to the unknowns; --faults prints the list and ends."""
    result = CliRunner().invoke(replay, ["--faults"])
    assert result.exit_code == 0
    assert [line.split("=")[0].strip() for line in result.output.splitlines()] == list(KINDS)
    assert "## Unknowns" in GUIDE
