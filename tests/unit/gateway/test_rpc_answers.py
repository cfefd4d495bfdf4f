"""Answers as frames, within windows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http2_client import frames, message, read_block

from veritape.gateway import http2_fields
from veritape.gateway.http2_frames import (
    END_HEADERS,
    END_STREAM,
    PAYLOAD_LIMIT,
    WINDOW_LIMIT,
    Http2Error,
    Kind,
)
from veritape.gateway.rpc_answers import Answers, Outgoing


def test_an_answer_is_fields_message_and_status() -> None:
    """GW-611: gRPC over HTTP/2, Responses."""
    answers = Answers()
    assert answers.send(5, Outgoing(100), b"hello")
    head, data, done = frames(b"".join(answers.frames))
    assert head == (Kind.HEADERS, END_HEADERS, 5, http2_fields.ANSWER)
    assert data == (Kind.DATA, 0, 5, message(b"hello"))
    assert done == (Kind.HEADERS, END_HEADERS | END_STREAM, 5, http2_fields.DONE)
    assert answers.sendable == 65_535 - 10


@given(
    st.integers(0, 50_000), st.integers(0, 40_000), st.integers(0, 40_000),
    st.lists(st.tuples(st.booleans(), st.integers(1, 9_000)), max_size=30),
)  # fmt: skip
def test_an_answer_never_passes_a_window_and_comes_whole(
    size: int, stream_window: int, connection_window: int, updates: list[tuple[bool, int]]
) -> None:
    """GW-611: whatever windows are given and in which order; what is sent in pieces is the message."""
    answers, out, octets = Answers(), Outgoing(stream_window), bytes(range(256)) * (size // 256)
    answers.sendable = connection_window
    allowed = [stream_window, connection_window]
    done = answers.send(1, out, octets)
    for connection, more in [*updates, (True, 100_000), (False, 100_000)]:
        sent = [frame for frame in frames(b"".join(answers.frames)) if frame.kind is Kind.DATA]
        assert sum(len(frame.payload) for frame in sent) <= min(allowed)
        if done:
            break
        allowed[connection] += more
        if connection:
            answers.widen(more)
        else:
            out.window += more
        done = answers.go_on(1, out)
    assert done
    found = frames(b"".join(answers.frames))
    data = [frame.payload for frame in found if frame.kind is Kind.DATA]
    assert b"".join(data) == message(octets)
    assert max(map(len, data)) <= PAYLOAD_LIMIT
    assert (found[0].payload, found[-1].payload) == (http2_fields.ANSWER, http2_fields.DONE)


def test_a_window_cannot_grow_without_end() -> None:
    """GW-611: RFC 9113, 6.9.1."""
    answers = Answers()
    answers.widen(WINDOW_LIMIT - answers.sendable)
    with pytest.raises(Http2Error):
        answers.widen(1)


def test_last_fields_end_a_stream() -> None:
    """GW-611: a failure has no message."""
    answers = Answers()
    answers.close(3, http2_fields.failure_block(12, "no such method"))
    (only,) = frames(b"".join(answers.frames))
    assert (only.kind, only.flags, only.stream) == (Kind.HEADERS, END_HEADERS | END_STREAM, 3)
    assert read_block(only.payload)[b"grpc-message"] == b"no such method"
