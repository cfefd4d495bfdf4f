"""The pace of the own stream, from the heads of its frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tape import CODES

from veritape.observer.pace import Head, Pace, head_of

SECOND = 10**9


@pytest.mark.parametrize(
    ("data", "head"),
    [
        (b"0|H0STCNT0|003|990001^090014^1818700^", Head("H0STCNT0", "990001", 3)),
        (b"0|H0STASP0|001|33626K^090014", Head("H0STASP0", "33626K", 1)),
        (b"1|H0STCNI0|001|abcdef==", None),
        (b"0|H0STCNT0|xx|990001^", None),
        (b"0|H0STCNT0|001", None),
        (b"0|H0^TCNT0|001|990001^", None),
        (b"0|H0STCNT0|001|\xff\xfe^", None),
        (b"0|H0STCNT0|001|^1", None),
        (b'{"header":{"tr_id":"PINGPONG"}}', None),
        (b"", None),
    ],
)
def test_the_head_of_a_frame(data: bytes, head: Head | None) -> None:
    """OB-455: code and records are read without parsing the records."""
    assert head_of(data) == head


@given(st.binary(max_size=80))
def test_any_bytes_have_a_head_or_none(data: bytes) -> None:
    """OB-992: total."""
    head = head_of(b"0|" + data)
    assert head is None or head.records >= 0


def test_trades_count_for_ten_seconds() -> None:
    """OB-302: the velocity's window."""
    pace = Pace()
    code = next(iter(CODES))
    for second in range(10):
        pace.arrived(code, 10, second * SECOND)
    assert dict(pace.counts(9 * SECOND + 5)) == {code: 100}
    assert dict(pace.counts(10 * SECOND)) == {code: 90}
    pace.arrived("other", 1, 10 * SECOND)
    pace.arrived("other", 2, 10 * SECOND + 1)
    assert dict(pace.counts(18 * SECOND)) == {code: 10, "other": 3}
    assert dict(pace.counts(60 * SECOND)) == {}
