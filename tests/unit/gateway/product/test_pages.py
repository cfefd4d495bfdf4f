"""Pages: decimals."""

from veritape.gateway.product.pages import decimal_text


def test_scaled_integers_as_decimals() -> None:
    assert [decimal_text(value, scale) for value, scale in ((5, 0), (12_345, 2), (5, 2), (0, 1))] == [
        "5",
        "123.45",
        "0.05",
        "0.0",
    ]
