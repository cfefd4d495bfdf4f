"""Request ids."""

import pytest

from veritape.gateway.request_ids import request_id


def test_a_ulid_sorts_by_time() -> None:
    """GW-503: 26 characters of Crockford's base 32, the time first."""
    assert request_id(None, 0, bytes(10)) == "0" * 26
    assert request_id(None, 1_469_918_176_385_000_000, bytes(10)) == "01ARYZ6S41" + "0" * 16
    assert request_id(None, 10**18, b"\xff" * 10) < request_id(None, 10**18 + 10**6, bytes(10))


@pytest.mark.parametrize("asked", [b"", b"a b", b"a" * 65, b"a\r\nb", "é".encode()])
def test_a_harmful_id_is_replaced(asked: bytes) -> None:
    """GW-503: only 1 to 64 of letters, digits, dot, underscore, hyphen come back."""
    assert request_id(asked, 0, bytes(10)) == "0" * 26
    assert request_id(b"Abc-1._", 0, bytes(10)) == "Abc-1._"
