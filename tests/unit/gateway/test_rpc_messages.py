"""Messages within DATA: whole ones, and what is wrong with others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http2_client import message

from veritape.gateway.rpc_messages import (
    COMPRESSED,
    MESSAGE_LIMIT_BYTES,
    NOT_ONE,
    TOO_LONG,
    Wrong,
    read_message,
)


@given(st.binary(max_size=100))
def test_a_whole_message_is_read(octets: bytes) -> None:
    """GW-611: also an empty one."""
    assert read_message(message(octets)) == octets


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"", NOT_ONE), (b"\0\0\0\0", NOT_ONE), (message(b"a")[:-1], NOT_ONE), (message(b"a") * 2, NOT_ONE),
        (message(b"a", compressed=1), COMPRESSED), (b"\0" + (MESSAGE_LIMIT_BYTES + 1).to_bytes(4), TOO_LONG),
    ],
)  # fmt: skip
def test_another_one_fails_its_call(data: bytes, wrong: Wrong) -> None:
    """GW-611, GW-901: not whole, twice, compressed, too long."""
    assert read_message(data) == wrong
