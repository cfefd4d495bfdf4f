"""Faults: requests, windows and draws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.errors import MisuseError
from veritape.replay.fault_kinds import KINDS, Form
from veritape.replay.faults import FOREVER_MS, Fault, Faults, draw, listing, parse

MINUTE = 60_000
NINE = 9 * 60 * MINUTE


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop=0.01", Fault("drop", 0.01, "0.01")),
        ("drop", Fault("drop", 1.0, "")),
        ("width=48@09:01:00", Fault("width", 48, "48", None, NINE + MINUTE)),
        (
            "silence=2.5@09:01:00-09:02:00",
            Fault("silence", 2.5, "2.5", None, NINE + MINUTE, NINE + 2 * MINUTE),
        ),
        ("close=09:01:00", Fault("close", 1, "09:01:00", NINE + MINUTE)),
        ("egw00201=0.5", Fault("egw00201", 0.5, "0.5")),
        ("egw00201=09:00:00", Fault("egw00201", 1, "09:00:00", NINE)),
        ("clock_skew=-1500", Fault("clock_skew", -1500, "-1500")),
        ("bad_code=33626K", Fault("bad_code", 0, "33626K")),
        ("rest=EGW00300", Fault("rest", 0, "EGW00300")),
    ],
)
def test_a_request_is_read(text: str, fault: Fault) -> None:
    """OB-851: name, value of the kind's own form, window of tape time."""
    assert parse([text]).asked == (fault,)
    assert parse([]).asked == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("melt=1", "known are: drop, duplicate"),
        ("drop=x", "not a number"),
        ("drop=2", "outside"),
        ("drop=nan", "outside"),
        ("limit", "not a number"),
        ("limit=-1", "below 0"),
        ("delay=1.5", "not a number"),
        ("silence=0", "above 0"),
        ("silence=inf", "above 0"),
        ("close=9", "HH:MM:SS"),
        ("drop=1@10:00:00-10:00:00", "ends before it begins"),
        ("drop=1@", "HH:MM:SS"),
        ("rest=EGW99999", "does not fit"),
        ("status=404", "does not fit"),
        ("master_bad=ugly", "does not fit"),
    ],
)
def test_a_bad_request_is_refused(text: str, words: str) -> None:
    """OB-851: an unknown name exits 2 with the list; so does a value of another form."""
    with pytest.raises(MisuseError, match=words) as refusal:
        parse([text])
    assert refusal.value.exit_code == 2
    assert "\n" not in refusal.value.message


def test_the_list_names_every_fault_with_its_value() -> None:
    """OB-851: one line a fault."""
    lines = listing().splitlines()
    assert [line.split("=")[0].strip() for line in lines] == list(KINDS)
    assert lines[0] == "  drop=0..1  the frame is not sent"


def test_a_fault_strikes_within_its_window_only() -> None:
    """OB-851: from the first time on, up to and without the second."""
    faults = parse(["drop=1@09:01:00-09:02:00", "delay=5@09:03:00"])
    times = [NINE, NINE + MINUTE, NINE + 2 * MINUTE - 1, NINE + 2 * MINUTE]
    assert [faults.strikes("drop", 1, ms) for ms in times] == [False, True, True, False]
    assert faults.active("delay", NINE + 3 * MINUTE - 1) is None
    assert faults.active("delay", FOREVER_MS - 1) == faults.of("delay")[0]
    assert faults.names == {"drop", "delay"}


def test_draws_depend_on_seed_fault_and_ordinal_alone() -> None:
    """OB-853: deterministic, uniform in [0, 1)."""
    draws = [draw(7, "drop", number) for number in range(1, 2001)]
    assert draws == [draw(7, "drop", number) for number in range(1, 2001)]
    assert all(0 <= value < 1 for value in draws)
    assert 0.45 < sum(draws) / len(draws) < 0.55
    assert draw(8, "drop", 1) != draws[0] != draw(7, "duplicate", 1)


def test_nothing_happens_without_a_request() -> None:
    """OB-853: a share of 0 strikes nobody, of 1 everybody, and a moment is no share."""
    assert not any(Faults().strikes("drop", number, NINE) for number in range(1, 100))
    assert not any(parse(["drop=0"]).strikes("drop", number, NINE) for number in range(1, 100))
    assert all(parse(["drop"]).strikes("drop", number, NINE) for number in range(1, 100))
    assert not parse(["egw00201=09:00:00"]).strikes("egw00201", 1, NINE)


@given(st.integers(1, 10**6), st.integers(1, 50))
def test_a_place_lies_within_its_size(ordinal: int, size: int) -> None:
    """OB-853: the place that a fault takes is drawn too."""
    assert 0 <= parse([]).choice("garble", ordinal, size) < size


@given(
    st.text(max_size=40)
    | st.sampled_from(sorted(KINDS)).flatmap(lambda n: st.text(max_size=12).map(f"{n}=".__add__))
)
def test_any_text_is_a_fault_or_a_refusal(text: str) -> None:
    """OB-992: the parser of requests is total."""
    try:
        (fault,) = parse([text]).asked
    except MisuseError:
        return
    assert KINDS[fault.name].form in Form
