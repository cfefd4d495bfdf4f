"""Patterns of records: what they capture, what they refuse, in linear time."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.records import ANY, CLOCK, DATE, INTEGER, read_records, record_pattern, second_of_day

WIDTH = 4
PATTERN = record_pattern(WIDTH, {0: "[A-Z]", 2: INTEGER, 9: ANY})


def read(payload: str) -> list[tuple[str, ...]] | None:
    """Read a payload as the records that its fields make, one begun counting as one."""
    return read_records(PATTERN, -(-(payload.count("^") + 1) // WIDTH), payload)


def test_records_give_their_captured_fields() -> None:
    """KIS-121: record i is fields [iW, (i+1)W), an empty last field counts; a place beyond the width is empty."""
    assert read("A^x^12^y^B^^ 7 ^") == [("A", "12", ""), ("B", " 7 ", "")]


@pytest.mark.parametrize(
    "payload", ["A^x^12", "a^x^12^y", "A^x^^y", "A^x^1^y^B", "A^x^1^y^B^x^1", "AA^x^1^y"]
)
def test_a_record_that_does_not_match_condemns_the_payload(payload: str) -> None:
    """KIS-126: one wrong record is enough."""
    assert read(payload) is None


@given(st.lists(st.sampled_from(("A", "B", "AB", "", "7", "12", " 3 ", "x", "7x")), min_size=4, max_size=24))
def test_records_are_those_of_the_split_text(fields: list[str]) -> None:
    """KIS-121, KIS-126: wherever a wrong field stands, no record is read from the middle of another one."""
    fields = fields[: len(fields) // WIDTH * WIDTH]
    records = [fields[start : start + WIDTH] for start in range(0, len(fields), WIDTH)]
    are_right = all(len(one[0]) == 1 and one[0] in "AB" and readable_integer(one[2]) for one in records)
    expected = [(one[0], one[2], "") for one in records]
    assert read("^".join(fields)) == (expected if are_right else None)


def readable_integer(text: str) -> bool:
    """Tell whether a field is an integer, step by step."""
    stripped = text.strip(" ")
    return len(stripped) <= 18 and re.fullmatch(r"-?[0-9]+", stripped) is not None


@given(
    st.text("0123456789 -+.^\n", max_size=24) | st.from_regex(r" {0,3}-?[0-9]{15,20} {0,3}", fullmatch=True)
)
def test_integers_are_those_of_the_readable_check(text: str) -> None:
    """KIS-126: at most 18 characters within spaces, a sign of minus alone."""
    assert bool(re.fullmatch(INTEGER, text)) == readable_integer(text)


@given(st.integers(0, 86_399))
def test_a_clock_is_its_second(second: int) -> None:
    """OB-004: seconds since midnight."""
    text = f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}"
    assert re.fullmatch(CLOCK, text)
    assert second_of_day(text) == second


@pytest.mark.parametrize("text", ["240000", "006000", "000060", "0000", "0000000"])
def test_no_clock(text: str) -> None:
    """KIS-126: HHMMSS and nothing else."""
    assert not re.fullmatch(CLOCK, text)


@pytest.mark.parametrize(("text", "valid"), [("20131007", True), ("20131307", False), ("20130932", False)])
def test_dates(text: str, valid: bool) -> None:
    """KIS-126: a month and a day that exist."""
    assert bool(re.fullmatch(DATE, text)) == valid


@pytest.mark.parametrize("text", [" " * 500_000, "1" * 500_000, " " * 250_000 + "1" + " " * 250_000])
def test_long_fields_take_linear_time(text: str) -> None:
    """OB-992: half a megabyte of padding or digits is judged at once; a quadratic pattern would take minutes."""
    assert read(f"A^x^{text}x^y") is None
