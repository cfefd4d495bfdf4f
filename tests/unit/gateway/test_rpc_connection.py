"""One connection of gRPC: what an honest client gets, what a broken or hostile one does not."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http2_client import FIELDS, OPENING, Frame, block, call, frames, message, read_block, window

from veritape.gateway import rpc_connection
from veritape.gateway.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    PADDED,
    PREFACE,
    WINDOW_LIMIT,
    WITH_PRIORITY,
    ErrorCode,
    Kind,
    Setting,
    frame,
    number_frame,
    read_settings,
    settings_frame,
)
from veritape.gateway.rpc_answers import RpcStatus
from veritape.gateway.rpc_connection import CALLS_LIMIT, RpcConnection
from veritape.gateway.rpc_messages import MESSAGE_LIMIT_BYTES, Call

PATH = b"/service/method"


def opened(opening: bytes = OPENING) -> RpcConnection:
    """Return a connection that has begun, with nothing to send."""
    connection = RpcConnection()
    assert connection.receive(opening) == []
    connection.take_output()
    return connection


def sent(connection: RpcConnection) -> list[Frame]:
    """Return the frames that are to be sent."""
    return frames(connection.take_output())


def open_stream(stream: int, flags: int = 0) -> bytes:
    """Return the fields of a call."""
    return frame(Kind.HEADERS, END_HEADERS | flags, stream, block())


def test_we_speak_first_and_ask_for_no_table() -> None:
    """GW-611: SETTINGS before anything, and the windows; the client's settings are acknowledged."""
    connection = RpcConnection()
    settings, more = sent(connection)
    said = dict(read_settings(settings.payload))
    assert said[Setting.HEADER_TABLE_SIZE] == 0
    assert said[Setting.MAX_CONCURRENT_STREAMS] == CALLS_LIMIT
    assert said[Setting.INITIAL_WINDOW_SIZE] > MESSAGE_LIMIT_BYTES
    assert (more.kind, more.stream) == (Kind.WINDOW_UPDATE, 0)
    connection.receive(OPENING)
    assert sent(connection) == [(Kind.SETTINGS, ACK, 0, b"")]


def test_a_call_is_given_on_and_answered() -> None:
    """GW-611: several calls of one read, answered in another order."""
    connection = opened()
    assert connection.receive(call(1, b"one") + call(3, b"")) == [Call(1, PATH, b"one"), Call(3, PATH, b"")]
    connection.answer(3, b"three")
    connection.fail(1, RpcStatus.UNIMPLEMENTED, "no such method")
    head, data, done, failed = sent(connection)
    assert {head.stream, data.stream, done.stream} == {3}
    assert data.payload == message(b"three")
    assert (failed.stream, read_block(failed.payload)[b"grpc-status"]) == (1, b"12")


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=6), st.lists(st.integers(1, 40), max_size=60))
def test_calls_do_not_depend_on_how_bytes_are_cut(messages: list[bytes], sizes: list[int]) -> None:
    """GW-611: byte by byte or at once; also when a message comes in pieces, padded, and its fields are continued."""
    octets, wanted = OPENING, list[Call]()
    for number, text in enumerate(messages):
        stream, fields, data = 2 * number + 1, block(), message(text)
        octets += frame(Kind.HEADERS, WITH_PRIORITY, stream, bytes(5) + fields[:7])
        octets += frame(Kind.CONTINUATION, END_HEADERS, stream, fields[7:])
        octets += frame(Kind.DATA, PADDED, stream, b"\x03" + data[:4] + bytes(3)) + frame(
            Kind.PRIORITY, 0, stream, bytes(5)
        )
        octets += frame(Kind.DATA, 0, stream) + frame(Kind.PING, 0, 0, b"12345678")
        octets += frame(Kind.DATA, END_STREAM, stream, data[4:])
        wanted.append(Call(stream, PATH, text))
    connection, found = RpcConnection(), list[Call]()
    for size in sizes:
        found += connection.receive(octets[:size])
        octets = octets[size:]
    assert found + connection.receive(octets) == wanted
    assert not connection.ended
    assert sum(one.kind is Kind.PING for one in sent(connection)) == len(messages)


def test_trailers_end_a_call_too() -> None:
    """GW-611: fields after the message."""
    connection = opened()
    octets = open_stream(1) + frame(Kind.DATA, 0, 1, message(b"one"))
    assert connection.receive(octets) == []
    assert connection.receive(frame(Kind.HEADERS, END_HEADERS | END_STREAM, 1, block([("x", "y")]))) == [
        Call(1, PATH, b"one")
    ]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", RpcStatus.INTERNAL), (message(b"ab")[:-1], RpcStatus.INTERNAL), (message(b"ab") + b"c", RpcStatus.INTERNAL),
        (message(b"a") * 2, RpcStatus.INTERNAL), (message(b"ab", 1), RpcStatus.UNIMPLEMENTED),
        (b"\0" + (MESSAGE_LIMIT_BYTES + 1).to_bytes(4), RpcStatus.RESOURCE_EXHAUSTED),
    ],
)  # fmt: skip
def test_what_is_not_one_plain_message_is_an_error_of_the_call(data: bytes, status: RpcStatus) -> None:
    """GW-611: none, half of one, two, a compressed one, one too long; the connection goes on."""
    connection = opened()
    assert connection.receive(open_stream(1) + frame(Kind.DATA, END_STREAM, 1, data)) == []
    (failed,) = sent(connection)
    assert int(read_block(failed.payload)[b"grpc-status"]) == status
    assert connection.receive(call(3, b"a"))


def test_a_stream_without_a_message_and_one_that_is_no_call() -> None:
    """GW-611: an error of gRPC, a status of HTTP, a reset; the connection goes on."""
    connection = opened()
    assert connection.receive(open_stream(1, END_STREAM)) == []
    assert read_block(sent(connection)[0].payload)[b"grpc-status"] == b"13"
    no_call = block([*FIELDS[:-1], ("content-type", "text/html")])
    connection.receive(frame(Kind.HEADERS, END_HEADERS, 3, no_call))
    refused, reset = sent(connection)
    assert read_block(refused.payload) == {b":status": b"415"}
    assert reset == (Kind.RST_STREAM, 0, 3, bytes(4))
    connection.receive(frame(Kind.HEADERS, END_HEADERS | END_STREAM, 5, no_call))
    assert len(sent(connection)) == 1
    connection.receive(frame(Kind.HEADERS, END_HEADERS, 7, block(FIELDS[1:])))
    assert sent(connection) == [(Kind.RST_STREAM, 0, 7, ErrorCode.PROTOCOL_ERROR.to_bytes(4))]
    assert connection.receive(frame(Kind.DATA, END_STREAM, 7, message(b"late")) + call(9, b"a")) == [
        Call(9, PATH, b"a")
    ]


def test_a_message_that_is_too_long_is_refused_before_it_is_whole() -> None:
    """GW-611, GW-908: a client that waits for a window learns it, and the rest is not kept."""
    connection = opened()
    connection.receive(open_stream(1))
    piece = frame(Kind.DATA, 0, 1, bytes(16_384))
    for _ in range(MESSAGE_LIMIT_BYTES // 16_384 + 1):
        connection.receive(piece)
    failed, reset = sent(connection)
    assert read_block(failed.payload)[b"grpc-status"] == b"8"
    assert reset.kind is Kind.RST_STREAM
    assert connection.receive(piece) == []
    assert (connection._partial_bytes, sent(connection)) == (0, [])


def test_messages_that_are_not_whole_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: many streams, each with half a message; what ends gives its place back."""
    monkeypatch.setattr(rpc_connection, "PARTIAL_LIMIT_BYTES", 40)
    connection = opened()
    for stream in (1, 3, 5, 7, 9):
        connection.receive(open_stream(stream) + frame(Kind.DATA, 0, stream, message(bytes(20))[:10]))
    failed, _ = sent(connection)
    assert failed.stream == 9
    connection.receive(number_frame(Kind.RST_STREAM, 1, 8))
    connection.receive(open_stream(11) + frame(Kind.DATA, 0, 11, message(bytes(20))[:10]))
    assert sent(connection) == []
    assert connection.receive(frame(Kind.DATA, END_STREAM, 3, bytes(15))) == [Call(3, PATH, bytes(20))]
    assert connection._partial_bytes == 30


def test_calls_that_are_not_answered_are_bounded_also_when_they_are_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """GW-901: a client that asks and resets at once keeps nobody busier than one that waits (CVE-2023-44487)."""
    monkeypatch.setattr(rpc_connection, "CALLS_LIMIT", 3)
    connection, asked = opened(), list[Call]()
    for stream in range(1, 21, 2):
        asked += connection.receive(call(stream, b"a") + number_frame(Kind.RST_STREAM, stream, 8))
    assert [one.stream for one in asked] == [1, 3, 5]
    refused = sent(connection)
    assert {(one.kind, one.payload) for one in refused} == {
        (Kind.RST_STREAM, ErrorCode.REFUSED_STREAM.to_bytes(4))
    }
    connection.answer(1, b"too late")
    connection.fail(3, RpcStatus.INTERNAL, "too late")
    assert sent(connection) == []
    assert [one.stream for one in connection.receive(call(21, b"a") + call(23, b"a") + call(25, b"a"))] == [
        21,
        23,
    ]


def test_answers_wait_for_the_client_s_windows() -> None:
    """GW-611: of a stream by its settings and updates, of the connection; a reset ends the waiting."""
    connection = opened(window(8))
    connection.receive(call(1, b"") + call(3, b"") + call(5, b""))
    for stream in (1, 3, 5):
        connection.answer(stream, b"0123456789")
    assert [(one.stream, len(one.payload)) for one in sent(connection) if one.kind is Kind.DATA] == [
        (1, 8),
        (3, 8),
        (5, 8),
    ]
    connection.receive(number_frame(Kind.WINDOW_UPDATE, 3, 100))
    assert [(one.kind, one.stream) for one in sent(connection)] == [(Kind.DATA, 3), (Kind.HEADERS, 3)]
    connection.receive(
        number_frame(Kind.RST_STREAM, 5, 8) + settings_frame({Setting.INITIAL_WINDOW_SIZE: 15})
    )
    assert [(one.kind, one.stream) for one in sent(connection)] == [
        (Kind.SETTINGS, 0),
        (Kind.DATA, 1),
        (Kind.HEADERS, 1),
    ]
    assert connection.receive(number_frame(Kind.WINDOW_UPDATE, 1, 9)) == []
    assert not connection.ended


def test_the_client_may_go_on_sending() -> None:
    """GW-611: its window is filled up before it is used up."""
    connection, octets = opened(), frame(Kind.DATA, END_STREAM, 1, message(bytes(16_000)))
    updates = 0
    for number in range(600):
        stream = 2 * number + 1
        connection.receive(open_stream(stream) + octets[:5] + stream.to_bytes(4) + octets[9:])
        connection.answer(stream, b"")
        found = [one for one in sent(connection) if one.kind is Kind.WINDOW_UPDATE]
        updates += sum(int.from_bytes(one.payload) for one in found)
    assert not connection.ended
    assert updates >= 600 * 16_005 - rpc_connection.CONNECTION_WINDOW


HOSTILE: dict[str, tuple[bytes, ErrorCode]] = {
    "no preface": (b"GET / HTTP/1.1\r\n\r\n", ErrorCode.PROTOCOL_ERROR),
    "a frame before settings": (PREFACE + frame(Kind.PING, 0, 0, bytes(8)), ErrorCode.PROTOCOL_ERROR),
    "a frame too long": (OPENING + bytes.fromhex("004001000000000001"), ErrorCode.FRAME_SIZE_ERROR),
    "an even stream": (OPENING + call(2, b"a"), ErrorCode.PROTOCOL_ERROR),
    "fields of no stream": (OPENING + call(0, b"a"), ErrorCode.PROTOCOL_ERROR),
    "data of no stream": (OPENING + frame(Kind.DATA, 0, 0, b"a"), ErrorCode.PROTOCOL_ERROR),
    "data of a stream to come": (OPENING + frame(Kind.DATA, 0, 5, b"a"), ErrorCode.PROTOCOL_ERROR),
    "a reset of a stream to come": (OPENING + number_frame(Kind.RST_STREAM, 5, 0), ErrorCode.PROTOCOL_ERROR),
    "a window of a stream to come": (OPENING + number_frame(Kind.WINDOW_UPDATE, 5, 1), ErrorCode.PROTOCOL_ERROR),
    "a window of nothing": (OPENING + number_frame(Kind.WINDOW_UPDATE, 0, 0), ErrorCode.PROTOCOL_ERROR),
    "a window too large": (OPENING + number_frame(Kind.WINDOW_UPDATE, 0, WINDOW_LIMIT), ErrorCode.FLOW_CONTROL_ERROR),
    "settings of a stream": (OPENING + frame(Kind.SETTINGS, 0, 1), ErrorCode.PROTOCOL_ERROR),
    "an acknowledgement with settings": (OPENING + frame(Kind.SETTINGS, ACK, 0, bytes(6)), ErrorCode.PROTOCOL_ERROR),
    "a window by settings too large": (
        OPENING + open_stream(1) + number_frame(Kind.WINDOW_UPDATE, 1, 1 << 20)
        + settings_frame({Setting.INITIAL_WINDOW_SIZE: WINDOW_LIMIT}), ErrorCode.FLOW_CONTROL_ERROR,
    ),
    "a push": (OPENING + frame(Kind.PUSH_PROMISE, 0, 1), ErrorCode.PROTOCOL_ERROR),
    "a ping of a stream": (OPENING + frame(Kind.PING, 0, 1, bytes(8)), ErrorCode.PROTOCOL_ERROR),
    "a short ping": (OPENING + frame(Kind.PING, 0, 0, bytes(7)), ErrorCode.FRAME_SIZE_ERROR),
    "a continuation of nothing": (OPENING + frame(Kind.CONTINUATION, 0, 1), ErrorCode.PROTOCOL_ERROR),
    "fields torn apart": (
        OPENING + frame(Kind.HEADERS, 0, 1, block()) + frame(Kind.PING, 0, 0, bytes(8)), ErrorCode.PROTOCOL_ERROR,
    ),
    "fields that go on elsewhere": (
        OPENING + frame(Kind.HEADERS, 0, 1, block()) + frame(Kind.CONTINUATION, 0, 3), ErrorCode.PROTOCOL_ERROR,
    ),
    "fields without an end": (
        OPENING + frame(Kind.HEADERS, 0, 1, bytes(9_000)) + frame(Kind.CONTINUATION, 0, 1, bytes(9_000)),
        ErrorCode.ENHANCE_YOUR_CALM,
    ),
    "fields that cannot be read": (OPENING + frame(Kind.HEADERS, END_HEADERS, 1, b"\xff"), ErrorCode.COMPRESSION_ERROR),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_who_breaks_the_protocol_is_told_and_left(name: str) -> None:
    """GW-611, GW-901: GOAWAY with RFC 9113's code, and nothing is read any more."""
    octets, code = HOSTILE[name]
    connection = RpcConnection()
    assert connection.receive(octets) == []
    last = sent(connection)[-1]
    assert (last.kind, last.payload[4:]) == (Kind.GOAWAY, code.to_bytes(4))
    assert connection.ended
    assert connection.is_idle
    connection.leave()
    assert sent(connection) == []


def test_calls_before_the_fault_are_given_on() -> None:
    """GW-611: they were whole."""
    connection = opened()
    assert connection.receive(call(1, b"a") + frame(Kind.PUSH_PROMISE, 0, 1)) == [Call(1, PATH, b"a")]
    assert connection.ended


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (frame(Kind.DATA, 0, 1, b"more"), ErrorCode.STREAM_CLOSED),
        (open_stream(1), ErrorCode.PROTOCOL_ERROR),
        (number_frame(Kind.WINDOW_UPDATE, 1, WINDOW_LIMIT), ErrorCode.FLOW_CONTROL_ERROR),
    ],
)
def test_who_breaks_a_stream_loses_it_alone(octets: bytes, code: ErrorCode) -> None:
    """GW-611: more data after the end, fields twice, a window too large; unknown frames and a GOAWAY change nothing."""
    connection = opened()
    connection.receive(call(1, b"a"))
    connection.receive(octets)
    assert sent(connection) == [(Kind.RST_STREAM, 0, 1, code.to_bytes(4))]
    connection.answer(1, b"")
    unknown = b"\0\0\1\xee\0\0\0\0\1a"
    assert connection.receive(unknown + frame(Kind.GOAWAY, 0, 0, bytes(8)) + call(3, b"a")) == [
        Call(3, PATH, b"a")
    ]
    assert sent(connection) == []


def test_leaving_tells_first_and_finishes_what_was_asked() -> None:
    """GW-611: calls on their way when we begin to leave are served; later ones are not looked at, and the client may send them elsewhere."""
    connection = opened()
    connection.receive(call(1, b"a"))
    connection.leave()
    connection.leave()
    goaway, ping = sent(connection)
    assert int.from_bytes(goaway.payload[:4]) == WINDOW_LIMIT
    assert connection.receive(call(3, b"b")) == [Call(3, PATH, b"b")]
    assert connection.receive(frame(Kind.PING, ACK, 0, ping.payload)) == []
    (last,) = sent(connection)
    assert int.from_bytes(last.payload[:4]) == 3
    assert connection.receive(call(5, b"c") + frame(Kind.PING, ACK, 0, ping.payload)) == []
    assert sent(connection) == []
    for stream in (1, 3):
        assert not connection.is_idle
        connection.answer(stream, b"")
    assert connection.is_idle


def _answer(connection: RpcConnection, stream: int) -> None:
    connection.answer(stream, bytes(100))


def _fail(connection: RpcConnection, stream: int) -> None:
    connection.fail(stream, RpcStatus.INTERNAL, "no")


PIECES = st.one_of(
    st.binary(max_size=30),
    st.integers(0, 9).map(lambda stream: call(stream, b"abc")),
    st.builds(
        frame, st.sampled_from(list(Kind)), st.integers(0, 255), st.integers(0, 9),
        st.one_of(st.binary(max_size=12), st.just(block()), st.just(message(b"abc")), st.just(bytes(8))),
    ),
)  # fmt: skip


@given(st.lists(PIECES, max_size=30), st.sampled_from([_answer, _fail]))
def test_any_bytes_are_answered_by_whole_frames_and_keep_the_accounts(
    pieces: list[bytes], end: Callable[[RpcConnection, int], None]
) -> None:
    """GW-973: no exception, whole frames, no stream or byte counted that is not there."""
    connection, asked = RpcConnection(), list[Call]()
    connection.receive(OPENING)
    for piece in pieces:
        asked += connection.receive(piece)
        partial = sum(len(found.partial) for found in connection._streams.values() if not found.asked)
        assert connection._partial_bytes == partial
        assert connection._waiting <= set(connection._streams)
        while len(asked) > 2:
            end(connection, asked.pop(0).stream)
    for one in asked:
        end(connection, one.stream)
    frames(connection.take_output())
    assert connection._abandoned == 0
    assert all(found.unsent or not found.asked for found in connection._streams.values())
