"""What goes wrong with commands and connections."""

import pytest

from veritape.replay.control_faults import BAN_CONNECTS, ControlFaults, Delay, When
from veritape.replay.faults import parse

SECOND = 10**9
NINE = 32_400_000


def trouble(*faults: str) -> ControlFaults:
    return ControlFaults(parse(faults))


def test_nothing_goes_wrong_unasked() -> None:
    """KIS-221: a run without faults keeps every rule."""
    none = trouble()
    assert not none.bad_key(NINE)
    assert not none.in_use("a", 0, NINE)
    none.ended("a", 0, NINE, clean=False)
    assert not none.in_use("a", 0, NINE)
    assert none.limit(41, NINE) == 41
    assert none.refusal(NINE) is None
    assert none.delay(1, "OPSP0000", NINE) == Delay()
    assert not any(none.banned(0, NINE) for _ in range(100))
    assert [none.next_command(), none.next_command()] == [1, 2]


def test_so_many_commands_have_a_bad_key() -> None:
    """OB-851: opsp0011=count, counted inside its window."""
    one = trouble("opsp0011=2@09:00:00")
    assert [one.bad_key(NINE + step) for step in (-1, 0, 1, 2)] == [False, True, True, False]


def test_the_appkey_is_in_use_for_a_while() -> None:
    """OB-851: opsp8996=s, from the first command on."""
    one = trouble("opsp8996=5")
    assert [one.in_use("a", (100 + s) * SECOND, NINE) for s in (0, 4, 5, 6)] == [True, True, False, False]


def test_an_unclean_end_keeps_the_appkey() -> None:
    """KIS-115: linger; a clean end frees it at once."""
    one = trouble("linger=5")
    one.ended("a", 0, NINE, clean=True)
    assert not one.in_use("a", 0, NINE)
    one.ended("a", 10 * SECOND, NINE, clean=False)
    assert [one.in_use("a", s * SECOND, NINE) for s in (10, 14, 15)] == [True, True, False]
    assert not one.in_use("b", 10 * SECOND, NINE)


def test_limit_and_refusal() -> None:
    """OB-851, KIS-220: limit=n within its window; opsp=CODE."""
    one = trouble("limit=3@09:00:00-09:01:00", "opsp=OPSP9993")
    assert [one.limit(41, NINE + ms) for ms in (-1, 0, 60_000)] == [41, 3, 41]
    assert one.refusal(NINE) == "OPSP9993"


@pytest.mark.parametrize(
    ("fault", "code", "delay"),
    [
        ("no_ack", "OPSP0000", Delay(When.NEVER, fault="no_ack")),
        ("mute", "OPSP0011", Delay(When.NEVER, fault="mute")),
        ("mute", "OPSP0000", Delay()),
        ("late_ack=300", "OPSP0008", Delay(When.LATE, 300, "late_ack")),
        ("ack_after_data", "OPSP0000", Delay(When.AFTER_DATA, fault="ack_after_data")),
        ("ack_after_data", "OPSP0001", Delay()),
        ("ack_shuffle", "OPSP0001", Delay(When.AFTER_NEXT, fault="ack_shuffle")),
    ],
)
def test_when_an_acknowledgement_leaves(fault: str, code: str, delay: Delay) -> None:
    """OB-851: no_ack, late_ack; KIS-220: mute, ack_after_data, ack_shuffle."""
    assert trouble(fault).delay(1, code, NINE) == delay


def test_a_share_of_the_commands_is_drawn() -> None:
    """OB-853: the draw goes by the command's ordinal."""
    faults = parse(["no_ack=0.3"])
    lost = [n for n in range(1, 200) if ControlFaults(faults).delay(n, "OPSP0000", NINE).when is When.NEVER]
    assert lost == [n for n in range(1, 200) if faults.strikes("no_ack", n, NINE)]
    assert 30 < len(lost) < 90


def test_the_eleventh_connect_of_a_minute_bans() -> None:
    """KIS-170, KIS-220: ban=S after 10 connects in 60 s."""
    one = trouble("ban=30")
    assert [one.banned(n * SECOND, NINE) for n in range(BAN_CONNECTS)] == [False] * 10
    assert [one.banned(s * SECOND, NINE) for s in (59, 60, 88)] == [True] * 3
    assert not one.banned(89 * SECOND, NINE)
    assert one.says("ban", NINE)
