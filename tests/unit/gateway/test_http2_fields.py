"""Header fields of calls: what is a call, what is malformed, and blocks that are remembered only where that is right."""

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st
from tests import http2_client
from tests.http2_client import FIELDS

from veritape.gateway import http2_fields
from veritape.gateway.http2_fields import MALFORMED, FieldReader, Head, read_head
from veritape.gateway.http2_frames import ErrorCode, Http2Error

CALL = Head(b"/service/method")
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


def raw(fields: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    """Return fields as they are decoded."""
    return [(name.encode(), value.encode()) for name, value in fields]


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto", "application/grpc;v=1"])
def test_a_call_is_a_post_of_grpc(kind: str) -> None:
    """GW-611: gRPC over HTTP/2: method and content type."""
    assert read_head([*raw(FIELDS[:-1]), (b"content-type", kind.encode())]) == CALL
    assert read_head([*raw(FIELDS[:-1]), (b"content-type", b"application/grpcs")]) == Head(
        CALL.path, is_call=False
    )
    assert read_head(raw(FIELDS[:-1])) == Head(CALL.path, is_call=False)
    assert read_head([(b":method", b"GET"), *raw(FIELDS[1:])]) == Head(CALL.path, is_call=False)


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS[1:], FIELDS[:1] + FIELDS[2:], FIELDS[:2] + FIELDS[3:], (*FIELDS, (":path", "/b")), (*FIELDS[:3], *FIELDS[:1]),
        ((":status", "200"), *FIELDS), (*FIELDS, ("Upper", "a")), (*FIELDS, ("connection", "close")),
        (FIELDS[0], FIELDS[1], (":path", ""), *FIELDS[3:]), (FIELDS[4], *FIELDS[:4]),
    ],
)  # fmt: skip
def test_fields_that_break_the_rules_are_malformed(fields: tuple[tuple[str, str], ...]) -> None:
    """GW-611: a pseudo-field missing, twice, unknown or late; a name in capitals; a field of one hop (RFC 9113, 8.2 and 8.3)."""
    assert read_head(raw(fields)) is MALFORMED


@given(st.lists(st.tuples(st.integers(0, 3), VALUES), max_size=12), st.sampled_from([0, 0, 64, 4_096]))
def test_a_reader_agrees_with_a_decoder_of_its_own_for_every_call(
    calls: list[tuple[int, str]], table: int
) -> None:
    """GW-611: calls of a few paths and values, with a table and without: the same block is never taken for another one."""
    encoder, reader = Encoder(), FieldReader()
    encoder.header_table_size = table
    for number, value in calls:
        fields = [*FIELDS[:2], (":path", f"/s/{number}"), *FIELDS[3:], ("x-value", value)]
        assert reader.read(encoder.encode(fields)) == Head(f"/s/{number}".encode())


def test_a_block_is_remembered_only_while_there_is_no_table() -> None:
    """GW-611: a table that comes back changes what bytes mean; what was remembered is not used then."""
    encoder, reader = Encoder(), FieldReader()
    encoder.header_table_size = 0
    first = encoder.encode(list(FIELDS))
    again = encoder.encode(list(FIELDS))
    assert first != again  # the first one says that the table is empty
    assert [reader.read(one) for one in (first, again, again)] == [CALL] * 3
    encoder.header_table_size = 4_096
    grown = [*FIELDS[:2], (":path", "/other"), *FIELDS[3:]]
    for fields, path in ((grown, b"/other"), (FIELDS, CALL.path), (grown, b"/other"), (FIELDS, CALL.path)):
        assert reader.read(encoder.encode(list(fields))).path == path


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: by number and by length."""
    monkeypatch.setattr(http2_fields, "REMEMBERED", 3)
    encoder, reader = Encoder(), FieldReader()
    encoder.header_table_size = 0
    for number in range(10):
        fields = [*FIELDS, ("x", str(number))]
        assert reader.read(encoder.encode(fields)) == CALL
        assert len(reader._heads) <= 3
    reader.read(encoder.encode([*FIELDS, ("x", "a" * 4_000)]))
    assert max(map(len, reader._heads)) <= http2_fields.BLOCK_LIMIT_BYTES


def test_fields_that_are_too_long_or_unreadable_end_the_connection() -> None:
    """GW-611, GW-901: nothing after them could be read."""
    with pytest.raises(Http2Error) as caught:
        FieldReader().read(http2_client.block([*FIELDS, *[("a", "b" * 1_000)] * 20], 4_096))
    assert caught.value.code is ErrorCode.ENHANCE_YOUR_CALM
    for block in (b"\xff", b"\x80", b"\x3f\xff\xff\x7f"):
        with pytest.raises(Http2Error) as caught:
            FieldReader().read(block)
        assert caught.value.code is ErrorCode.COMPRESSION_ERROR


def test_blocks_of_answers_say_what_they_should_to_another_decoder() -> None:
    """GW-611: status, content type, gRPC's status; a text is cut, not refused."""
    assert http2_client.read_block(http2_fields.ANSWER) == {
        b":status": b"200",
        b"content-type": b"application/grpc",
    }
    assert http2_client.read_block(http2_fields.DONE) == {b"grpc-status": b"0"}
    assert http2_client.read_block(http2_fields.NO_CALL) == {b":status": b"415"}
    failed = http2_client.read_block(http2_fields.failure_block(12, "no" * 100))
    assert (failed[b"grpc-status"], len(failed[b"grpc-message"])) == (b"12", http2_fields.TEXT_LIMIT)
