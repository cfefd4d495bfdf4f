"""Rare silences."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.clock_steps import SteadyLine
from veritape.observer.silences import RARE, SECOND_US, SEEN, SILENCE_US, Silence, Silences

SECOND_NS = 10**9


def heard(silences: Silences, code: str, pauses_s: list[int], start_us: int = SECOND_US) -> int:
    """Let a code be heard with these pauses; return the last moment."""
    now_us = start_us
    times = [now_us]
    for pause_s in pauses_s:
        now_us += pause_s * SECOND_US
        times.append(now_us)
    silences.heard(code, times)
    return now_us


def test_a_rare_silence_is_asked_for_once_while_others_go_on() -> None:
    """OB-641: level g: 30 s and above the 99.9 % interval of 200 or more; not again before the code was heard."""
    silences = Silences()
    end_us = heard(silences, "a", [1] * SEEN)
    silences.heard("b", [end_us + 29 * SECOND_US])
    assert silences.to_ask(end_us + SILENCE_US - 1, ["a", "b"]) == []
    assert silences.to_ask(end_us + SILENCE_US, ["a", "b"]) == ["a"]
    assert silences.to_ask(end_us + SILENCE_US + 1, ["a", "b"]) == []
    silences.heard("a", [end_us + 40 * SECOND_US])
    silences.heard("b", [end_us + 90 * SECOND_US])
    assert silences.to_ask(end_us + 91 * SECOND_US, ["a", "b"]) == ["a"], (
        "one long pause of 201 is no habit yet"
    )


def test_nothing_is_asked_without_others_without_habits_or_without_a_slot() -> None:
    """OB-641: while others live, 200 seen, watched: one of them missing asks nothing."""
    silences = Silences()
    end_us = heard(silences, "a", [1] * SEEN)
    few_us = heard(silences, "few", [1] * (SEEN - 1), end_us - (SEEN - 1) * SECOND_US)
    assert few_us == end_us
    later_us = end_us + SILENCE_US
    assert silences.to_ask(later_us, ["a", "few"]) == [], "nobody is heard: the connection's business"
    silences.heard("b", [later_us])
    assert silences.to_ask(later_us, ["few", "b", "unknown"]) == []
    assert silences.to_ask(later_us, ["a", "few", "b"]) == ["a"]


def test_a_quiet_stock_is_no_gap() -> None:
    """OB-641: a code that often pauses that long is not asked for."""
    silences = Silences()
    end_us = heard(silences, "quiet", [1] * SEEN + [40])
    silences.heard("b", [end_us + 34 * SECOND_US])
    assert silences.to_ask(end_us + 35 * SECOND_US, ["quiet", "b"]) == []
    silences.heard("b", [end_us + 40 * SECOND_US])
    assert silences.to_ask(end_us + 41 * SECOND_US, ["quiet", "b"]) == ["quiet"]


def test_moments_that_are_known_say_nothing() -> None:
    """OB-641: a segment's rows that are read again are no pauses."""
    silence, silences = Silence(), Silences()
    assert not silence.is_rare(SILENCE_US)
    silences.heard("a", [5, 6, 6, 7])
    silences.heard("a", [5, 6, 7, 8])
    assert silences._codes["a"] == Silence(8, 3, [])


@given(st.lists(st.integers(1, 60), min_size=SEEN, max_size=400), st.integers(30, 70))
def test_rare_is_the_share_of_pauses_as_long(pauses_s: list[int], pause_s: int) -> None:
    """OB-641: the two sorted-list steps against counting all of them."""
    silences = Silences()
    heard(silences, "a", pauses_s)
    as_long = sum(one >= pause_s for one in pauses_s)
    assert silences._codes["a"].is_rare(pause_s * SECOND_US) == (as_long * RARE <= len(pauses_s))


@given(
    st.dictionaries(st.integers(0, 87), st.tuples(st.integers(0, 49), st.integers(-36_000, 36_000))),
    st.integers(3_000, 3_600),
)
def test_a_clock_that_steps_makes_no_silence_and_hides_none(
    steps: dict[int, tuple[int, int]], lost_tenths: int
) -> None:
    """OB-004, OB-641: asked for once, never before half a minute of real silence, and a look or two after it at the latest."""
    silences, line, asked = Silences(), SteadyLine(), list[tuple[int, str]]()
    new: dict[str, list[int]] = {"a": [], "b": []}
    ahead_ns = 1_000_000 * SECOND_NS
    line.look(ahead_ns, 0)
    for tenth in range(1, 4_400):
        at, step_s = steps.get(tenth // 50, (-1, 0))
        ahead_ns += step_s * SECOND_NS * (tenth % 50 == at)
        now_ns = tenth * SECOND_NS // 10
        if tenth % 10 == 0:
            for code in ("a", "b") if tenth <= lost_tenths else ("b",):
                new[code].append(now_ns + ahead_ns)
        if tenth % 50 == 0:
            line_us = line.look(now_ns + ahead_ns, now_ns) // 1_000
            for code, stamps in new.items():
                silences.heard(code, (moment // 1_000 for moment in line.moments(sorted(stamps))))
                stamps.clear()
            asked += [(tenth, code) for code in silences.to_ask(line_us, ["a", "b"])]
    ((tenth, code),) = asked
    heard_last = lost_tenths // 10 * 10
    assert (code, heard_last + 300 <= tenth <= heard_last + 450) == ("a", True)
