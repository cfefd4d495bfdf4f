"""Widths per stream and time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.errors import MisuseError
from veritape.replay.widths import Widths, parse_widths

TEN = 36_000_000


def test_the_present_wire_is_the_default() -> None:
    """OB-803, KIS-122: trades 47; books 63 at KRX, 65 at NXT, 66 for both."""
    widths = Widths()
    assert [widths.of(tr, 0) for tr in ("H0STCNT0", "H0NXCNT0", "H0UNCNT0")] == [47, 47, 47]
    assert [widths.of(tr, 0) for tr in ("H0STASP0", "H0NXASP0", "H0UNASP0")] == [63, 65, 66]


def test_a_width_goes_to_the_streams_that_know_it() -> None:
    """OB-804, KIS-123: 59 is KRX's book, 65 of the other venues; an unknown width is everybody's."""
    widths = parse_widths(["trade=46,book=59"])
    assert [widths.of(tr, 0) for tr in ("H0STCNT0", "H0UNCNT0", "H0STASP0", "H0NXASP0")] == [46, 46, 59, 65]
    older = parse_widths(["book=65"])
    assert [older.of(tr, 0) for tr in ("H0STASP0", "H0NXASP0", "H0UNASP0")] == [63, 65, 65]
    unknown = parse_widths(["book=47,trade=48"])
    assert [unknown.of(tr, 0) for tr in ("H0STASP0", "H0NXASP0", "H0UNASP0", "H0NXCNT0")] == [47, 47, 47, 48]


def test_a_width_changes_at_its_time() -> None:
    """OB-804: @HH:MM:SS changes them at a tape time, in whatever order the options come."""
    widths = parse_widths(["trade=48@11:00:00", "trade=46", "trade=47@10:00:00"])
    assert [widths.of("H0STCNT0", TEN + step) for step in (-1, 0, 3_599_999, 3_600_000)] == [46, 47, 47, 48]
    assert widths.document()["H0NXCNT0"] == [[0, 46], [TEN, 47], [39_600_000, 48]]


@pytest.mark.parametrize(
    "text", ["", "trade", "trade=0", "trade=1000", "bond=47", "trade=46@", "trade=46,@10:00:00"]
)
def test_a_bad_option_is_refused(text: str) -> None:
    """OB-804: exit 2 with what is expected."""
    with pytest.raises(MisuseError, match=r"expected trade=W|HH:MM:SS"):
        parse_widths([text])


@given(st.text(max_size=30) | st.from_regex(r"(trade|book)=[0-9]{0,4}(@[0-9:]{0,8})?", fullmatch=True))
def test_any_text_is_widths_or_a_refusal(text: str) -> None:
    """OB-992: the parser of --wire is total."""
    try:
        document = parse_widths([text]).document()
    except MisuseError:
        return
    assert all(1 <= width <= 999 for changes in document.values() for _, width in changes)
