"""What Envoy can do with ext_authz when nobody decides: ``python -m veritape.apps.bench.gateway_constant PORT``.

It answers every call at once with the same admission, as long as ours and with the same fields, and reads nothing of the call but
where it ends: no caller, no quota, no event. So its row is what is left for an authorization service on this machine: the share that
ours reaches of it says more than a figure when the machine is another one, or slower today.
"""

import asyncio
import sys
from typing import Final, cast

import uvloop

from veritape.gateway import http2_fields as fields
from veritape.gateway.adapters.envoy.admitted_answer import AdmittedAnswer
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEAD_BYTES,
    PREFACE,
    Kind,
    Setting,
    frame,
    frame_head,
    number_frame,
    settings_frame,
)
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.quota import MU, Limits, make_rule

PLENTY: Final = 1 << 30
"""Bytes that a peer may send at first."""

AGAIN_BYTES: Final = 1 << 20
"""Taken bytes after which it may send as many more."""

GREETING: Final = settings_frame({Setting.HEADER_TABLE_SIZE: 0}) + number_frame(Kind.WINDOW_UPDATE, 0, PLENTY)
"""What it says first; ours wants no header table either."""

LIMITS: Final = Limits(
    make_rule(1_000_000, 60, 1_000_000), make_rule(30_000_000, 3_600, 30_000_000), 10**9 * MU
)
"""Those of the policy that the benchmark measures ours with."""

IDENTIFIER: Final = "01M3SYNTHETIC0000000000000"
"""As long as the ids that ours makes."""


def admission() -> bytes:
    """Return the message that ours would answer a first call with."""
    plan = plan_of(LIMITS, MU, 1)
    verdict, _ = MemoryStore().judge("constant:live", plan, 0, 0)
    return AdmittedAnswer(plan, "asking").of(IDENTIFIER, verdict)


def answer_parts(message: bytes) -> list[bytes]:
    """Return an answer cut where the number of its stream goes: HEADERS, DATA, HEADERS."""
    frames = (
        frame(Kind.HEADERS, END_HEADERS, 0, fields.ANSWER),
        frame(Kind.DATA, 0, 0, b"\0%b%b" % (len(message).to_bytes(4), message)),
        frame(Kind.HEADERS, END_HEADERS | END_STREAM, 0, fields.DONE),
    )
    cut, place = [b""], HEAD_BYTES - 4
    for one in frames:
        cut[-1] += one[:place]
        cut.append(one[HEAD_BYTES:])
    return cut


class Constant(asyncio.Protocol):
    """Answers the calls of one connection, those of one read in one write."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts, self._data, self._taken = parts, b"", -len(PREFACE)
        self._transport: asyncio.WriteTransport | None = None
        self._is_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Speak first."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        """Answer the calls that end in what came."""
        self._data += data
        self._taken += len(data)
        if not self._is_begun:
            if len(self._data) < len(PREFACE):
                return
            self._data, self._is_begun = self._data[len(PREFACE) :], True
        output = self._answers()
        if self._taken >= AGAIN_BYTES:
            output.append(number_frame(Kind.WINDOW_UPDATE, 0, self._taken))
            self._taken = 0
        if output and self._transport is not None:
            self._transport.write(b"".join(output))

    def _answers(self) -> list[bytes]:
        data, at, output = self._data, 0, list[bytes]()
        while len(data) - at >= HEAD_BYTES:
            high, low, kind, flags, stream = frame_head.unpack_from(data, at)
            after = at + HEAD_BYTES + (high << 8 | low)
            if after > len(data):
                break
            if kind <= Kind.HEADERS and flags & END_STREAM:
                output.append(stream.to_bytes(4).join(self._parts))
            elif kind in {Kind.SETTINGS, Kind.PING} and not flags & ACK:
                payload = data[at + HEAD_BYTES : after] if kind == Kind.PING else b""
                output.append(frame(Kind(kind), ACK, 0, payload))
            at = after
        self._data = data[at:]
        return output


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    parts = answer_parts(admission())
    server = await asyncio.get_running_loop().create_server(lambda: Constant(parts), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
