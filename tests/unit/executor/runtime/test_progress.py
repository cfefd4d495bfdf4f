"""Progress as values."""

from veritape.executor.runtime.progress import INTERVAL_NS, Meter, Phase, Progress

SECOND = 1_000_000_000


def test_progress_is_shown_at_most_ten_times_a_second() -> None:
    """EX-346: job, phase, done, total and the seconds left by the pace so far; the last value always comes."""
    meter = Meter("job", 4, 0)
    assert meter.at(Phase.LOAD, 0, 0) == Progress("job", Phase.LOAD, 0, 4, None)
    assert meter.at(Phase.EXECUTE, 1, INTERVAL_NS - 1) is None
    assert meter.at(Phase.EXECUTE, 1, SECOND) == Progress("job", Phase.EXECUTE, 1, 4, 3.0)
    assert meter.at(Phase.WRITE, 4, SECOND + 1) == Progress("job", Phase.WRITE, 4, 4, 0.0)
