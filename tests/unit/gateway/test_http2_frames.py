"""Frames of HTTP/2: the specification's layout, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import http2_frames as http2
from veritape.gateway.http2_frames import ErrorCode, Http2Error, Kind, Setting


def test_frames_are_laid_out_as_rfc_9113_says() -> None:
    """GW-611: length, type, flags, stream, payload; the module's own example."""
    assert http2.frame(Kind.PING, 0, 0, b"draining") == bytes.fromhex("000008060000000000") + b"draining"
    assert http2.number_frame(Kind.RST_STREAM, 3, 7) == bytes.fromhex("00000403000000000300000007")
    goaway = bytes.fromhex("000008070000000000000000050000000b")
    assert http2.goaway_frame(5, ErrorCode.ENHANCE_YOUR_CALM) == goaway
    long = http2.frame(Kind.DATA, 1, 1, bytes(16_384))
    assert http2.frame_head.unpack_from(long) == (64, 0, 0, 1, 1)


@given(st.dictionaries(st.sampled_from([1, 3, 6, 99]), st.integers(0, 2**32 - 1)))
def test_settings_are_read_as_they_were_written(settings: dict[int, int]) -> None:
    """GW-611: also those that we do not know."""
    payload = b"".join(name.to_bytes(2) + value.to_bytes(4) for name, value in settings.items())
    assert dict(http2.read_settings(payload)) == settings


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        (Setting.ENABLE_PUSH, 2, ErrorCode.PROTOCOL_ERROR),
        (Setting.INITIAL_WINDOW_SIZE, 2**31, ErrorCode.FLOW_CONTROL_ERROR),
        (Setting.MAX_FRAME_SIZE, 16_383, ErrorCode.PROTOCOL_ERROR),
        (Setting.MAX_FRAME_SIZE, 2**24, ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_a_setting_out_of_its_range_is_refused(name: Setting, value: int, code: ErrorCode) -> None:
    """GW-611: with the code of RFC 9113; the bounds themselves are not."""
    payload = http2.settings_frame({name: value})[http2.HEAD_BYTES :]
    with pytest.raises(Http2Error) as caught:
        list(http2.read_settings(payload))
    assert caught.value.code is code
    least, largest, _ = http2.RANGES[name]
    for bound in (least, largest):
        assert list(http2.read_settings(http2.settings_frame({name: bound})[http2.HEAD_BYTES :])) == [
            (name, bound)
        ]


def test_settings_that_are_not_whole_are_refused() -> None:
    """GW-611: the length is a multiple of six."""
    with pytest.raises(Http2Error) as caught:
        list(http2.read_settings(bytes(5)))
    assert caught.value.code is ErrorCode.FRAME_SIZE_ERROR


@given(st.binary(max_size=40), st.integers(0, 20), st.booleans())
def test_padding_and_priority_are_taken_off(payload: bytes, padding: int, priority: bool) -> None:
    """GW-611: what is left is the payload."""
    flags = http2.PADDED | (http2.WITH_PRIORITY if priority else 0)
    whole = bytes([padding]) + (bytes(5) if priority else b"") + payload + bytes(padding)
    assert http2.unpadded(flags, whole) == payload
    assert http2.unpadded(0, payload) == payload


@pytest.mark.parametrize(
    ("flags", "payload"), [(http2.PADDED, b""), (http2.PADDED, b"\x02a"), (http2.WITH_PRIORITY, b"abcd")]
)
def test_more_padding_than_payload_is_refused(flags: int, payload: bytes) -> None:
    """GW-611: RFC 9113, 6.1."""
    with pytest.raises(Http2Error) as caught:
        http2.unpadded(flags, payload)
    assert caught.value.code is ErrorCode.PROTOCOL_ERROR


def test_a_number_is_four_bytes() -> None:
    """GW-611: its reserved bit is not looked at."""
    assert http2.read_number(b"\x80\0\0\x05") == 5
    for payload in (b"", bytes(3), bytes(5)):
        with pytest.raises(Http2Error) as caught:
            http2.read_number(payload)
        assert caught.value.code is ErrorCode.FRAME_SIZE_ERROR
