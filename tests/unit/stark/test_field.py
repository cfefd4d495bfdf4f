"""The base field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.stark.field import INVERSE_OF_TWO, P, inverse


def test_the_field_has_the_specifications_values() -> None:
    """ST-020: the prime is KoalaBear's; inverses and products are those of the vectors."""
    assert P == 2**31 - 2**24 + 1
    assert [inverse(x) for x in (1234567890, 2, 3)] == [1138436308, 1065353217, 710235478]
    assert inverse(2) == INVERSE_OF_TWO
    assert 1234567890 * 2130706432 % P == 896138543


@given(st.integers(1, P - 1))
def test_an_element_times_its_inverse_is_one(element: int) -> None:
    """ST-020: every element but zero has an inverse."""
    assert element * inverse(element) % P == 1


def test_zero_has_no_inverse() -> None:
    """ST-025: no zero is inverted unseen."""
    with pytest.raises(ZeroDivisionError):
        inverse(P)
