"""Request ids."""

from collections import Counter

import pytest

from veritape.gateway.request_ids import request_id


def test_a_ulid_sorts_by_time() -> None:
    """GW-503: 26 characters of Crockford's base 32, the time first."""
    assert request_id(None, 0, bytes(16)) == "0" * 26
    assert request_id(None, 1_469_918_176_385_000_000, bytes(16)) == "01ARYZ6S41" + "0" * 16
    assert request_id(None, 10**18, b"\xff" * 16) < request_id(None, 10**18 + 10**6, bytes(16))


def test_each_random_byte_is_one_character() -> None:
    """GW-503: of 256 values each of the 32 characters stands for eight, so none is likelier than another."""
    assert request_id(None, 0, bytes(range(16)))[10:] == "0123456789ABCDEF"
    assert request_id(None, 0, bytes(range(240, 256)))[10:] == "GHJKMNPQRSTVWXYZ"
    last = Counter(request_id(None, 0, bytes(15) + bytes([byte]))[-1] for byte in range(256))
    assert (len(last), set(last.values())) == (32, {8})


@pytest.mark.parametrize("asked", [b"", b"a b", b"a" * 65, b"a\r\nb", "é".encode()])
def test_a_harmful_id_is_replaced(asked: bytes) -> None:
    """GW-503: only 1 to 64 of letters, digits, dot, underscore, hyphen come back."""
    assert request_id(asked, 0, bytes(16)) == "0" * 26
    assert request_id(b"Abc-1._", 0, bytes(16)) == "Abc-1._"
