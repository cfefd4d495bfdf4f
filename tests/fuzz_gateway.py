"""Feeds one of the gateway's parsers with coverage-guided bytes: python -m tests.fuzz_gateway NAME SECONDS CORPUS.

Every input must give a value or one of the documented reasons, in bounded time and memory, and what is read must keep its
promises; anything else is a crash.
"""

import asyncio
import contextlib
import logging
from ipaddress import ip_address, ip_network
from typing import Any, cast

import atheris
from tests import fuzzing, tokens

with atheris.instrument_imports(include=["veritape.gateway"]):
    from tests.http2_client import OPENING, frames  # reads our frames, so after they are instrumented
    from uvicorn.server import ServerState

    from veritape.gateway import cursors, decision_calls, item_count, keys, outbox, parameters, paths
    from veritape.gateway.adapters.front_door import OpenDoor
    from veritape.gateway.adapters.request_protocol import RequestProtocol
    from veritape.gateway.adapters.server import served_by, server_config
    from veritape.gateway.adapters.way import Way
    from veritape.gateway.addresses import AddressPolicy, believed_chain
    from veritape.gateway.policy_reader import read_policy
    from veritape.gateway.problems import RefusedError
    from veritape.gateway.rpc_connection import RpcConnection
    from veritape.gateway.token_keys import read_key_set
    from veritape.gateway.tokens import Algorithm, TokenIssuer, TokenRefusedError, judge, read_token
    from veritape.gateway.upstreams import CountRule
    from veritape.kernel.errors import MisuseError, PeerError

TABLE = paths.PathTable([("/v1/trades", 1), ("/v1/{name}", 2), ("/v1/receipts/{rest...}", 3)])
TRUSTING = [
    AddressPolicy(trusted=(ip_network("10.0.0.0/8"),), forwarded=kind)
    for kind in ("x-forwarded-for", "forwarded")
]
KEY, QUERY = cursors.cursor_key(bytes(32)), {"symbol": "005930"}
SECRET = tokens.SECRET
BOOT = b"12345678"


def path(data: bytes) -> None:
    """A path that is accepted is normal: read again it is the same, and it hides no segment."""
    try:
        normal = paths.normal_path(data)
    except paths.BadPathError:
        return
    if paths.normal_path(normal.encode()) != normal or "//" in normal or {".", ".."} & set(normal.split("/")):
        raise AssertionError(normal)
    TABLE.match(normal)


def fields(data: bytes) -> None:
    """A chain begins at the peer and believes only what a trusted proxy said; credentials and queries are read or refused."""
    peer = ip_address("10.0.0.1")
    for policy in TRUSTING:
        chain = believed_chain(peer, [(policy.forwarded.encode(), data)], policy)
        if chain[0] != peer or not all(policy.is_trusted(one) for one in chain[:-1]):
            raise AssertionError(chain)
    keys.find_credential([(b"authorization", data)], data)
    with contextlib.suppress(RefusedError):
        parameters.read_query(data, (parameters.SYMBOL, parameters.DAY, parameters.LIMIT, parameters.CURSOR))


def policy(data: bytes) -> None:
    """Whatever is no policy is refused with its lines."""
    with contextlib.suppress(MisuseError):
        read_policy(data, "policy.toml")


def outboxes(data: bytes) -> None:
    """A file is read up to its end or its damage, never beyond."""
    with contextlib.suppress(PeerError):
        outbox.read_header(data)
    found = outbox.read_groups(data, BOOT)
    if found.bytes_read > len(data) or any(event.boot != BOOT for group in found.groups for event in group):
        raise AssertionError(found)
    outbox.read_file_name(data.decode("latin-1"))


def calls(data: bytes) -> None:
    """Whatever a client of HTTP/2 sends, what is kept is bounded and what is sent back is whole frames."""
    connection = RpcConnection()
    for piece in (OPENING, data[: len(data) // 2], data[len(data) // 2 :]):
        for call in connection.receive(piece):
            connection.answer(call.stream, call.message)
    frames(connection.take_output())


def cursor(data: bytes) -> None:
    """Only what we signed is a position: a forged cursor that is read would be a broken signature."""
    text = data.decode("latin-1")
    with contextlib.suppress(cursors.BadCursorError):
        position = cursors.read_cursor(KEY, "/v1/trades", QUERY, text)
        if position != ("a", 1):
            raise AssertionError(position)


ISSUER = TokenIssuer(tokens.ISSUER, tokens.AUDIENCE, Algorithm.HS256, "secret_env", "SECRET")


def token(data: bytes) -> None:
    """A token, its claims behind a signature that is right, and a key set: believed or refused, each with its reason."""
    text = data.decode("latin-1")
    header, _, body = data.partition(b"\n")
    for candidate in (text, tokens.signed(SECRET, body, header)):
        with contextlib.suppress(TokenRefusedError):
            judge(read_token(candidate), ISSUER, {"free": None}, tokens.WALL_S)
    for algorithm in (Algorithm.RS256, Algorithm.ES256):
        with contextlib.suppress(PeerError):
            read_key_set(data, algorithm)


def body(data: bytes) -> None:
    """The counted list of a body, and the calls of the decision API."""
    with contextlib.suppress(RefusedError):
        count = item_count.count_items(data, CountRule(("items",), 100, per_call=False))
        if not 1 <= count <= 100:
            raise AssertionError(count)
    for read in (decision_calls.read_check, decision_calls.read_reset):
        with contextlib.suppress(RefusedError):
            read(data)


class Wire(asyncio.Transport):
    """A client's connection that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 80)})
        self.written = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    abort = write_eof = close

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Everything that comes was sent before."""

    resume_reading = pause_reading


async def take(scope: Any, receive: Any, send: Any) -> None:
    """Read a body and answer."""
    assert scope["path"].startswith("/")
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


CONFIG = server_config(take, 1, OpenDoor())
CONFIG.load()
LOOP = asyncio.new_event_loop()


def http(data: bytes) -> None:
    """Bytes of a connection, whole and in pieces: the same answers, each 200 or a refusal, and none of ours is broken."""
    found = [LOOP.run_until_complete(answers(data, size)) for size in (len(data) or 1, 7)]
    if found[0] != found[1] or not set(found[0]) <= {200, 400, 408, 414, 417, 431}:
        raise AssertionError(found)


async def answers(data: bytes, size: int) -> list[int]:
    """Send bytes in pieces of a size; return the statuses of the answers."""
    wire, tasks = Wire(), ServerState()
    connection = RequestProtocol(CONFIG, tasks, {}, LOOP, door=OpenDoor(), serve=served_by(take))
    connection.connection_made(wire)
    for place in range(0, len(data), size):
        connection.data_received(data[place : place + size])
        await asyncio.sleep(0)
    still, before = 0, -1
    while still < 10:  # what is pipelined is answered one after the other
        still, before = (still + 1, before) if len(wire.written) == before else (0, len(wire.written))
        await asyncio.sleep(0)
    connection.connection_lost(None)
    await asyncio.gather(*(cast(Way, one).task() for one in list(tasks.tasks)))
    lines = [line for line in wire.written.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    return [int(line.split()[1]) for line in lines if line != b"HTTP/1.1 100 Continue"]


TARGETS: dict[str, fuzzing.Target] = {
    "path": path, "fields": fields, "policy": policy, "outbox": outboxes, "cursor": cursor, "token": token, "body": body,
    "http": http, "calls": calls,
}  # fmt: skip

if __name__ == "__main__":
    logging.disable()
    fuzzing.run(TARGETS)
