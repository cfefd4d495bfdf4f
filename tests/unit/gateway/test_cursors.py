"""Cursors: signed, bound to their query."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import cursors
from veritape.gateway.cursors import BadCursorError, cursor_key, read_cursor, write_cursor

KEY = cursor_key(bytes(32))
QUERY = {"symbol": "005930", "limit": "10"}


@given(st.text(max_size=30), st.integers(0, 2**53))
def test_a_cursor_comes_back(name: str, index: int) -> None:
    """GW-741: the position survives, and the cursor itself is not part of what it is bound to."""
    cursor = write_cursor(KEY, "/v1/trades", QUERY, (name, index))
    assert read_cursor(KEY, "/v1/trades", {**QUERY, "cursor": cursor}, cursor) == (name, index)


def test_a_cursor_of_another_query_path_or_key_is_refused() -> None:
    """GW-741: bound to the query; a changed one is refused."""
    cursor = write_cursor(KEY, "/v1/trades", QUERY, ("a", 1))
    for key, path, query in (
        (cursor_key(b"x" * 32), "/v1/trades", QUERY),
        (KEY, "/v1/bars", QUERY),
        (KEY, "/v1/trades", {**QUERY, "limit": "11"}),
    ):
        with pytest.raises(BadCursorError, match="not signed"):
            read_cursor(key, path, query, cursor)


@given(st.text(max_size=300), st.integers(0, 40), st.integers(1, 255))
def test_changed_and_random_cursors_are_refused(text: str, place: int, flip: int) -> None:
    """GW-741: any flipped byte and any other text is refused."""
    octets = bytearray(base64.urlsafe_b64decode(write_cursor(KEY, "/", QUERY, ("abcdefgh", 10**9)) + "=="))
    octets[place % len(octets)] ^= flip
    for cursor in (text, base64.urlsafe_b64encode(octets).decode().rstrip("=")):
        with pytest.raises(BadCursorError):
            read_cursor(KEY, "/", QUERY, cursor)


@pytest.mark.parametrize("payload", [b"not json", b"[1,2]", b'["a"]', b'{"a":1}'])
def test_a_signed_thing_that_is_no_position_is_refused(payload: bytes) -> None:
    octets = cursors._tag(KEY, "/", QUERY, payload) + payload
    with pytest.raises(BadCursorError, match="not a position"):
        read_cursor(KEY, "/", QUERY, base64.urlsafe_b64encode(octets).decode())


def test_a_cursor_above_the_limit_is_refused_before_it_is_decoded() -> None:
    """GW-741: at most 256 bytes."""
    with pytest.raises(BadCursorError, match="too long"):
        read_cursor(cursor_key(b"pepper" * 8), "/v1/trades", {}, "A" * (cursors.CURSOR_LIMIT + 1))
