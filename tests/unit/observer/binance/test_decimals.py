"""Decimal text to integers."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.binance.decimals import LARGEST, scaled


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("61837.63000000", 6_183_763_000_000), ("0.00000001", 1), ("0", 0), ("12", 1_200_000_000), ("0.1", 10_000_000),
        ("92233720368.54775807", LARGEST),
    ],
)  # fmt: skip
def test_examples(text: str, number: int) -> None:
    """OB-003: a price is an integer with eight decimals."""
    assert scaled(text) == number


@pytest.mark.parametrize(
    "value",
    ["", ".5", "5.", "-1", "+1", "1e5", " 1", "1 ", "1.123456789", "0x1", "\u0661", "nan", "92233720368.54775808", "1" * 12,
     "1_000", "1.0\n", 1, 1.5, None, True, [], {}],
)  # fmt: skip
def test_what_is_no_plain_decimal(value: object) -> None:
    """OB-992: anything else gives no number."""
    assert scaled(value) is None


@given(st.integers(0, LARGEST), st.integers(0, 8))
def test_no_digit_is_lost(number: int, spared: int) -> None:
    """OB-003: the integer is the decimal times 10^8, exactly, however many of its last zeros are written."""
    text = f"{number // 10**8}.{number % 10**8:08}"
    zeros = min(spared, len(text) - len(text.rstrip("0")), 7)
    assert scaled(text[: len(text) - zeros]) == number


@given(st.text())
def test_any_text_gives_a_number_or_nothing(text: str) -> None:
    """OB-992: total."""
    number = scaled(text)
    assert number is None or Decimal(text).scaleb(8) == number
