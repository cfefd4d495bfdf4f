"""Messages of gRPC within DATA: five bytes say whether it is compressed and how long it is (GW-611).

A call has one message::

    00            00 00 00 03  61 62 63
    compressed?   length       message

*Source*: "gRPC over HTTP2" of gRPC's documentation, Length-Prefixed-Message.
"""

import struct
from typing import Final, NamedTuple

from veritape.gateway.rpc_answers import RpcStatus

MESSAGE_LIMIT_BYTES: Final = 256 * 1_024
"""Longest message: headers of a request and no body."""

_HEAD: Final = struct.Struct(">BL")
"""Compressed or not, length."""

HEAD_OF_MESSAGE: Final = _HEAD.size
"""Bytes before a message."""


class Call(NamedTuple):
    """A whole call."""

    stream: int
    path: bytes
    """``/service/method``."""
    message: bytes


class Wrong(NamedTuple):
    """Why a call fails before anybody looks at it."""

    status: RpcStatus
    text: str


TOO_LONG: Final = Wrong(RpcStatus.RESOURCE_EXHAUSTED, "the message is too long")
COMPRESSED: Final = Wrong(RpcStatus.UNIMPLEMENTED, "no message may be compressed")
NOT_ONE: Final = Wrong(RpcStatus.INTERNAL, "a call has one message")


def read_message(data: bytes) -> bytes | Wrong:
    """Return the message of a call that has ended, or what is wrong with it."""
    if len(data) < HEAD_OF_MESSAGE:
        return NOT_ONE
    compressed, length = _HEAD.unpack_from(data)
    if length > MESSAGE_LIMIT_BYTES:
        return TOO_LONG
    if compressed:
        return COMPRESSED
    return data[HEAD_OF_MESSAGE:] if len(data) == HEAD_OF_MESSAGE + length else NOT_ONE
