"""Who answers every authorization with the same admission."""

import asyncio

import pytest

from veritape.apps.bench.gateway_constant import AGAIN_BYTES, GREETING, Constant, admission, answer_parts
from veritape.gateway import http2_fields as fields
from veritape.gateway.adapters.envoy.messages_pb2 import CheckResponse
from veritape.gateway.http2_frames import ACK, END_HEADERS, END_STREAM, PREFACE, Kind, frame, number_frame
from veritape.gateway.rpc_answers import Answers, Outgoing

CALL = frame(Kind.HEADERS, END_HEADERS, 1) + frame(Kind.DATA, END_STREAM, 1, b"asked")


class Written(asyncio.WriteTransport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.octets = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.octets += data


def ours(stream: int) -> bytes:
    """Return the same answer as our server writes it."""
    answers = Answers()
    assert answers.send(stream, Outgoing(65_535), admission())
    return b"".join(answers.frames)


def test_the_answer_admits_with_the_fields_of_ours() -> None:
    """GW-612: an admission with id, cost, policy and what is left; Envoy has as much to do with it."""
    answer = CheckResponse.FromString(admission())
    assert (answer.status.code, answer.HasField("ok_response")) == (0, True)
    told = {one.header.key: one.header.value for one in answer.ok_response.response_headers_to_add}
    assert list(told) == ["X-Request-Id", "x-request-cost", "ratelimit-policy", "ratelimit"]
    assert told["ratelimit"].startswith('"minute";r=999999;t=1,"hour";r=29999999;t=1,"month";r=999999999;t=')
    assert len(told["X-Request-Id"]) == 26


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_each_call_is_answered_as_our_server_does(piece: int) -> None:
    """GW-612: whatever the pieces: settings and pings too; half a frame and what ends no call have no answer."""
    one, transport = Constant(answer_parts(admission())), Written()
    one.connection_made(transport)
    came = (
        PREFACE + frame(Kind.SETTINGS, 0, 0) + CALL + frame(Kind.PING, 0, 0, b"12345678")
        + frame(Kind.SETTINGS, ACK, 0) + number_frame(Kind.WINDOW_UPDATE, 0, 5)
        + frame(Kind.HEADERS, END_HEADERS | END_STREAM, 3) + CALL[:-1]
    )  # fmt: skip
    for start in range(0, len(came), piece):
        one.data_received(came[start : start + piece])
    settled, heard = frame(Kind.SETTINGS, ACK, 0), frame(Kind.PING, ACK, 0, b"12345678")
    assert transport.octets == GREETING + settled + ours(1) + heard + ours(3)


def test_a_peer_may_go_on() -> None:
    """GW-612: the connection's window is opened again."""
    one, transport = Constant([b""]), Written()
    one.connection_made(transport)
    one.data_received(PREFACE)
    for _ in range(AGAIN_BYTES // 16_384 + 1):
        one.data_received(frame(Kind.DATA, 0, 1, bytes(16_384)))
    assert transport.octets[len(GREETING) :][:9] == frame(Kind.WINDOW_UPDATE, 0, 0, bytes(4))[:9]
    assert int.from_bytes(transport.octets[-4:]) >= AGAIN_BYTES
    assert fields.DONE in answer_parts(b"")[-1]
