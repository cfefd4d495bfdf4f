"""The broker's own account of an appkey."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.replay.reports import COUNTED, MINUTE_NS, SECOND_NS, Peak, Report


@given(st.lists(st.integers(0, 3 * SECOND_NS // 2), max_size=60))
def test_a_peak_equals_a_brute_force_count(steps: list[int]) -> None:
    """KIS-174: the largest count in any (t - window, t]."""
    peak, stamps = Peak(SECOND_NS), [sum(steps[: n + 1]) for n in range(len(steps))]
    for stamp in stamps:
        peak.add(stamp)
    windows = [sum(stamp - SECOND_NS < other <= stamp for other in stamps) for stamp in stamps]
    assert peak.largest == max(windows, default=0)


def test_the_report_tells_counts_seconds_and_minutes() -> None:
    """KIS-174: calls, refusals, tokens, approvals, connects, commands."""
    report = Report()
    for now_ns in (0, 1, SECOND_NS, SECOND_NS + 1, MINUTE_NS):
        report.add("calls", now_ns)
    report.add("refusals", 0)
    document = report.document()
    assert tuple(document) == COUNTED
    assert document["calls"] == {"count": 5, "most_in_1_s": 2, "most_in_60_s": 4}
    assert document["refusals"] == {"count": 1, "most_in_1_s": 1, "most_in_60_s": 1}
    counts = [
        report.calls,
        report.refusals,
        report.tokens,
        report.approvals,
        report.connects,
        report.commands,
    ]
    assert counts == [5, 1, 0, 0, 0, 0]
