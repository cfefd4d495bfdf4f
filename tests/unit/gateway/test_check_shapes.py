"""Where calls of authorization vary: two of one shape with equal stable bytes say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.check_stand import NEWEST_ID, check_message

from veritape.gateway.adapters.envoy.messages_pb2 import CheckRequest
from veritape.gateway.check_shapes import shape_of

KEY = "vt_live_" + "0" * 40

Meaning = tuple[str, str, str, list[tuple[str, bytes]], dict[str, str]]
"""What is read of a call, but for its id."""


def meaning(message: bytes) -> Meaning:
    """Read a call as the service does, in full."""
    found = CheckRequest.FromString(message).attributes
    http = found.request.http
    raw = [(one.key, one.raw_value or one.value.encode()) for one in http.header_map.headers]
    return (
        http.method, http.path, found.source.address.socket_address.address, [one for one in raw if one[0] != "x-request-id"],
        {name: value for name, value in http.headers.items() if name != "x-request-id"},
    )  # fmt: skip


NUMBERS = st.integers(0, 10**9)
CALLS = st.builds(
    check_message, st.sampled_from(["", KEY]), st.sampled_from(["/echo", "/dear", "/a?b=c"]), st.sampled_from(["GET", "PUT"]),
    st.sampled_from(["192.0.2.1", "192.0.2.2"]), fields=st.sampled_from([(), (("user-agent", "x"),)]), is_raw=st.booleans(),
    is_early=st.booleans(), number=NUMBERS,
)  # fmt: skip


@given(CALLS, CALLS)
def test_what_is_stable_means_the_same(one: bytes, other: bytes) -> None:
    """GW-612: two calls agree in their stable bytes only if they agree in everything that is read, and their ids stand at one place."""
    shape = shape_of(one)
    assert shape is not None
    if len(other) == shape.length and shape.stable(other) == shape.stable(one):
        assert meaning(one) == meaning(other)
        assert shape_of(other) == shape
        assert shape.id_place is not None
        assert other[shape.id_place] in other


@given(CALLS, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_byte_that_matters_is_stable(message: bytes, changes: list[tuple[int, int]]) -> None:
    """GW-612, GW-901: whatever is changed of the bytes: what still has the same stable bytes can be read and means the same."""
    shape, changed = shape_of(message), bytearray(message)
    assert shape is not None
    for place, octet in changes:
        changed[place % len(changed)] = octet
    if shape.stable(bytes(changed)) == shape.stable(message):
        assert meaning(bytes(changed)) == meaning(message)


def test_port_time_number_and_id_vary_and_nothing_else() -> None:
    """GW-612: calls of one client with other ids are alike; each other difference is one."""
    first, second = check_message(KEY, number=1), check_message(KEY, number=2)
    shape = shape_of(first)
    assert shape is not None
    assert shape.id_place is not None
    assert first != second
    assert shape.stable(first) == shape.stable(second)
    assert second[shape.id_place] == b"2f13c842-e919-42d0-8520-000000000002"
    for other in (
        check_message(KEY[:-1] + "1", number=1), check_message(KEY, "/dear", number=1), check_message(KEY, method="PUT", number=1),
        check_message(KEY, address="192.0.2.2", number=1),
    ):  # fmt: skip
        assert len(other) == shape.length
        assert shape.stable(other) != shape.stable(first)


def test_a_number_that_ends_elsewhere_is_another_one() -> None:
    """GW-612: the bits that say where a number ends are stable: what follows it is never taken for a part of it."""
    message = check_message(KEY, number=1)
    shape = shape_of(message)
    assert shape is not None
    place = message.rindex(b"\x10") + 1
    for octet in (place, len(message) - 1):
        changed = bytearray(message)
        changed[octet] ^= 0x80
        assert shape.stable(bytes(changed)) != shape.stable(message)
    at = message.index(str(NEWEST_ID - 7_919).encode())
    changed = bytearray(message)
    changed[at] ^= 0x80
    assert shape.stable(bytes(changed)) != shape.stable(message)


ID = b"x-request-id"


def entry(*parts: bytes) -> bytes:
    """Return a call with one raw header field."""
    found = b"".join(parts)
    for tag in (0x0A, 0x6A, 0x12, 0x22, 0x0A):
        found = bytes([tag, len(found)]) + found
    return found


NAME = b"\x0a\x0c" + ID
VALUE = b"\x1a\x01a"


@pytest.mark.parametrize(
    "message",
    [
        entry(VALUE, NAME), entry(NAME), entry(NAME, VALUE, VALUE), entry(NAME, NAME, VALUE), entry(b"\x0a\x0cX-Request-Id", VALUE),
        entry(NAME, b"\x18\x01"), entry(NAME, b"\x1a\x01\xff"), entry(NAME, VALUE)[:-1], entry(NAME, VALUE) + b"\x80", b"\x0b", b"\x0f\x01",
        b"\x0a\x08\x22\x06\x0a\x04\x08\xff\xff", b"\x0a\x0b\x22\x09\x0a\x07\x08\xff\xff\xff\xff\xff\x01", b"\x08\x01", b"\x09\0",
        entry(NAME, VALUE) * 2,
    ],
)  # fmt: skip
def test_what_envoy_does_not_write_has_no_shape(message: bytes) -> None:
    """GW-612, GW-901: an id in other words or twice, text that is no ASCII, numbers and messages that are not whole."""
    assert shape_of(message) is None


def test_what_is_skipped_is_stable() -> None:
    """GW-612: fields of other types and numbers, and a call without an id."""
    message = b"\x19" + bytes(8) + b"\x1d" + bytes(4) + entry(b"\x0a\x01a", VALUE)
    shape = shape_of(message)
    assert shape is not None
    assert (shape.id_place, shape.stable(message)) == (None, message)
    assert shape_of(entry(NAME, VALUE)) is not None
    assert shape_of(entry()) is not None


@given(st.binary(max_size=60))
def test_any_bytes_have_a_shape_or_none(octets: bytes) -> None:
    """GW-901: nothing but bytes that are too few or wrong is made of them."""
    shape = shape_of(octets)
    assert shape is None or shape.length == len(octets)
