"""Packed rows: what goes in comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tape import trade

from veritape.observer.rows import NAMES, PACKED, Row, TradeRows

SIGNED, COUNT = st.integers(0, 10**18 - 1), st.integers(0, 2**31 - 1)
TEXT = st.text("0129Q/AZ", max_size=8)


@given(
    st.lists(
        st.builds(
            lambda one, counted, *own: Row(one._replace(counted=counted), own[0], own[1], own[2], counted, own[3]),
            st.builds(
                trade(1)._replace, code=TEXT, event_s=st.integers(0, 86_399), price=SIGNED, shares=SIGNED,
                chain_shares=SIGNED, chain_value=SIGNED, sells=COUNT, buys=COUNT, side=st.integers(0, 255), session=TEXT,
            ),
            st.booleans(), st.integers(1, 2**60), st.integers(0, 998), st.integers(0, 2**60), st.integers(0, 40),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_rows_come_out_as_they_went_in(rows: list[Row]) -> None:
    """OB-552: every value that the parser may give, in order; the size is stated."""
    packed = TradeRows(rows)
    assert (list(packed), len(packed)) == (rows, len(rows))
    assert len(packed.packed) == PACKED.size * len(rows) == 76 * len(rows)
    assert packed == TradeRows(packed)
    assert packed != rows


def test_rows_have_a_name_a_field_and_no_hash() -> None:
    """OB-552: the table's columns map them; a growing thing is no key."""
    assert len(PACKED.unpack(bytes(PACKED.size))) == len(NAMES)
    with pytest.raises(TypeError, match="rows change"):
        hash(TradeRows())
