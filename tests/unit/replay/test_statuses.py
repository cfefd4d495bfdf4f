"""Expected executions and the market's status."""

from tests.plain_client import NINE, tape

from veritape.replay.market import Market, Phase, PhaseKind
from veritape.replay.statuses import changes, expected_frame

VI = Phase("990001", PhaseKind.VI, NINE + 60_000, NINE + 180_000)
HALT = Phase("990002", PhaseKind.HALT, NINE + 10_000, NINE + 20_000)
MARKET = Market([tape(), tape("990002")], "20131007", phases=(VI, HALT, Phase("000000", PhaseKind.VI, 1, 2)))


def test_open_close_and_phases_are_told_in_order() -> None:
    """KIS-166, KIS-183: 11 fields; halt and interruption begin and end."""
    found = changes(MARKET, NINE, NINE + 600_000)
    assert [(one.ms - NINE, one.code) for one in found] == [
        (0, "990001"), (0, "990002"), (10_000, "990002"), (20_000, "990002"), (60_000, "990001"), (180_000, "990001"),
        (600_000, "990001"), (600_000, "990002"),
    ]  # fmt: skip
    assert {one.text.count("^") for one in found} == {10}
    assert [one.text for one in found[2:6]] == [
        "0|H0STMKO0|001|990002^Y^^0^0^^0^0^N^N^1", "0|H0STMKO0|001|990002^N^^0^0^^0^0^N^N^1",
        "0|H0STMKO0|001|990001^N^^0^0^^0^0^Y^N^1", "0|H0STMKO0|001|990001^N^^0^0^^0^0^N^N^1",
    ]  # fmt: skip


def test_an_expected_execution_is_no_trade() -> None:
    """KIS-165, KIS-184: 45 fields, 10 and B before the open, 20 and C in an interruption, nothing else."""
    before = expected_frame(MARKET, "990001", NINE - 1000, NINE)
    inside = expected_frame(MARKET, "990001", NINE + 61_000, NINE)
    assert before is not None
    assert inside is not None
    early, late = (text.split("|", 3)[3].split("^") for text in (before, inside))
    assert (len(early), early[34], early[43], early[13]) == (45, "10", "B", "0")
    assert (len(late), late[34], late[43], late[12]) == (45, "20", "C", "0")
    assert (late[2], late[13]) == ("10019", "210")
    assert expected_frame(MARKET, "990001", NINE + 1000, NINE) is None
    assert expected_frame(MARKET, "990002", NINE + 61_000, NINE) is None
