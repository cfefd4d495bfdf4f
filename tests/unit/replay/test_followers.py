"""Who the tape waits for, and for how long."""

from veritape.replay.followers import LAG_NS, PATIENCE_NS, Followers, Question


def alive() -> bool:
    return False


def gone() -> bool:
    return True


def test_nobody_is_waited_for_when_nobody_follows() -> None:
    """OB-810: other clients take no time from the tape."""
    followers = Followers()
    assert not followers.lag(10**15, 10**15, stepping=True)
    assert followers.step_ms is None


def test_the_tape_waits_for_a_follower_that_is_alive_and_does_not_ask() -> None:
    """OB-810: from the lag on, until its patience ends."""
    followers = Followers()
    followers.asked("one", Question(5, 0, alive))
    assert not followers.lag(5, LAG_NS - 1, stepping=False)
    assert followers.lag(5, LAG_NS, stepping=False)
    assert followers.lag(5, PATIENCE_NS - 1, stepping=False)
    assert not followers.lag(5, PATIENCE_NS, stepping=False)
    assert not followers.lag(5, LAG_NS, stepping=False), "it is forgotten"


def test_a_tape_that_steps_waits_until_every_follower_saw_where_it_is() -> None:
    """OB-810: at --speed max no step follows one that a follower does not know."""
    followers = Followers()
    followers.asked("one", Question(7, 0, alive))
    followers.asked("two", Question(6, 0, alive))
    assert followers.lag(7, 1, stepping=True)
    followers.asked("two", Question(7, 1, alive))
    assert not followers.lag(7, 1, stepping=True)


def test_a_follower_whose_connection_ended_is_not_waited_for() -> None:
    """OB-810, OB-675: a killed recorder misses what happens: the tape goes on."""
    followers = Followers()
    followers.asked("killed", Question(0, 0, gone, 1))
    assert not followers.lag(9, LAG_NS, stepping=True)
    assert followers.step_ms is None


def test_the_smallest_step_counts() -> None:
    """OB-205, OB-810: a sweep's calls fall due between two jumps for whoever makes them."""
    followers = Followers()
    followers.asked("idle", Question(0, 0, alive))
    assert followers.step_ms is None
    followers.asked("sweeping", Question(0, 0, alive, 50))
    followers.asked("resting", Question(0, 0, alive, 20_000))
    assert followers.step_ms == 50
