"""The replayed broker on two loopback ports: REST and WebSocket (KIS-010, KIS-017, KIS-100)."""

import asyncio
import json
import re
import ssl
from typing import Final

import aiohttp
from aiohttp import web

from veritape.kernel.listeners import not_had
from veritape.replay.adapters.doorkeeper import (
    HEAD_BYTES,
    HEAD_SECONDS,
    LOOPBACK,
    REST_CONNECTIONS,
    SOCKETS,
    Doorkeeper,
    Turned,
)
from veritape.replay.adapters.outbox import Outbox, write
from veritape.replay.adapters.player import Player
from veritape.replay.rest import Answer, Quotations, Request
from veritape.replay.rules import rule_of
from veritape.replay.schedule import KST_NS, kst_datetime
from veritape.replay.sockets import COMMAND_BYTES, Exchange, Socket
from veritape.wire.kis.master import KOSDAQ, KOSPI
from veritape.wire.kis.rest import MASTER_PATHS

CLEAN_CODES: Final = frozenset({1000, 1001})
"""Close codes of a client that said goodbye."""

STEP: Final = r"[1-9][0-9]{0,8}"
"""Pattern of a follower's longest step, milliseconds; anything else leaves the step to the tape."""

STOP_SECONDS: Final = 0.5
"""Time that open connections have to end."""


class BrokerServer:
    """Both listeners."""

    def __init__(
        self, quotations: Quotations, exchange: Exchange, player: Player, head_seconds: float = HEAD_SECONDS
    ) -> None:
        self._head_seconds = head_seconds
        self._keepers: list[Doorkeeper] = []
        self._quotations = quotations
        self._exchange = exchange
        self._player = player
        self._runners: list[web.AppRunner] = []
        self._calls = 0
        self.rest_port = 0
        """Port of the REST listener, once started."""
        self.websocket_port = 0
        """Port of the WebSocket listener, once started."""
        self.tls_port = 0
        """Port of the REST listener with TLS, once started; 0 without one."""

    async def start(self, rest_port: int, websocket_port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen; port 0 takes a free one.

        Args:
            rest_port: port of plain REST.
            websocket_port: port of the WebSocket.
            tls: also answer REST under this context on a free port, for the proxy.

        Raises:
            UnavailableError: a port is in use.
        """
        rest = web.Application(client_max_size=COMMAND_BYTES)
        rest.router.add_get("/replay/clock", self._clock)
        rest.router.add_get("/replay/report", self._report)
        for path in MASTER_PATHS:
            rest.router.add_get(path, self._master)
        rest.router.add_route("*", "/{path:.*}", self._rest)
        sockets = web.Application()
        for path in ("/", "/tryitout", "/tryitout/{tr_id}"):
            sockets.router.add_get(path, self._websocket)
        self.rest_port = await self._listen(rest, REST_CONNECTIONS, rest_port, "--rest-port")
        if tls is not None:
            self.tls_port = await self._open(self._runners[0], REST_CONNECTIONS, 0, tls)
        self.websocket_port = await self._listen(sockets, SOCKETS, websocket_port, "--websocket-port")

    async def stop(self) -> None:
        """Close both listeners and every connection."""
        for keeper in self._keepers:
            keeper.close()
        for runner in self._runners:
            await runner.cleanup()

    async def _listen(self, app: web.Application, limit: int, port: int, option: str) -> int:
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=STOP_SECONDS,
            handler_cancellation=True,
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
        )
        await runner.setup()
        self._runners.append(runner)
        try:
            return await self._open(runner, limit, port)
        except OSError as error:
            raise not_had(LOOPBACK, port, error, f"choose {option}") from error

    async def _open(
        self, runner: web.AppRunner, limit: int, port: int, tls: ssl.SSLContext | None = None
    ) -> int:
        if runner.server is None:
            raise RuntimeError(runner)
        keeper = Doorkeeper(runner.server, limit, self._note_turned, self._head_seconds)
        self._keepers.append(keeper)
        return await keeper.listen(port, tls)

    def _note_turned(self, reason: Turned) -> None:
        self._player.note("refused", {"code": reason, "rule": "KIS-224"})

    async def _clock(self, request: web.Request) -> web.Response:
        transport = request.transport
        if transport is None:
            return web.json_response(self._player.clock_document())
        asked = request.query.get("step_ms", "")
        step_ms = int(asked) if re.fullmatch(STEP, asked) else None
        return web.json_response(self._player.follow(transport, transport.is_closing, step_ms))

    async def _master(self, request: web.Request) -> web.Response:
        layout = KOSPI if request.path == MASTER_PATHS[0] else KOSDAQ
        now = kst_datetime(self._player.broker_ns())
        body = self._player.master_archive(layout, (now.year, now.month, now.day))
        return web.Response(body=body, content_type="application/zip")

    async def _report(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self._quotations.report())

    async def _rest(self, request: web.Request) -> web.Response:
        self._calls += 1
        answer = self._quotations.answer(
            Request(
                request.method,
                request.path,
                {name.lower(): value for name, value in request.headers.items()},
                {name.lower(): value for name, value in request.query.items()},
                await request.read(),
            ),
            self._player.broker_ns(),
            self._player.tape.now_ms,
        )
        self._note(request.path, answer)
        if answer.never:
            await asyncio.Event().wait()
        await asyncio.sleep(answer.hold_s)
        return self._response(answer)

    def _note(self, path: str, answer: Answer) -> None:
        struck = {"faults": list(answer.faults)} if answer.faults else {}
        if answer.reason:
            detail = {"path": path, "code": answer.reason, "rule": rule_of(answer.reason)}
            self._player.note("refused", detail | struck)
        elif struck:
            self._player.note("fault", {"path": path, **struck})

    def _response(self, answer: Answer) -> web.Response:
        document = json.dumps(answer.document, ensure_ascii=False).encode(errors="backslashreplace")
        return web.Response(
            status=answer.status,
            body=answer.body or document,
            headers={
                "Content-Type": "text/html" if answer.body else "application/json; charset=utf-8",
                "tr_id": answer.tr_id,
                "tr_cont": answer.tr_cont,
                "gt_uid": f"{self._calls:032x}",
                "Date": kst_datetime(self._player.stamp_ns() - KST_NS).strftime("%a, %d %b %Y %H:%M:%S GMT"),
            },
        )

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=COMMAND_BYTES, timeout=STOP_SECONDS
        )
        transport = request.transport
        if transport is None:
            return connection
        if self._exchange.trouble.banned(self._player.broker_ns(), self._player.tape.now_ms):
            self._player.note("refused", {"code": "ban", "faults": ["ban"], "rule": "KIS-170"})
            transport.abort()
            return connection
        await connection.prepare(request)
        socket = self._exchange.connect(self._player.broker_ns())
        outbox = Outbox(socket, transport.abort, transport.get_write_buffer_size)
        self._player.outboxes[socket] = outbox
        writer = asyncio.create_task(write(connection, transport, outbox))
        try:
            await self._read(connection, socket, outbox)
        finally:
            writer.cancel()
            del self._player.outboxes[socket]
            clean = connection.close_code in CLEAN_CODES
            self._exchange.disconnect(socket, self._player.broker_ns(), self._player.tape.now_ms, clean=clean)
        return connection

    async def _read(self, connection: web.WebSocketResponse, socket: Socket, outbox: Outbox) -> None:
        async for message in connection:
            tape_ms = self._player.tape.now_ms
            if message.type == aiohttp.WSMsgType.PING and not self._exchange.trouble.says("no_pong", tape_ms):
                await connection.pong(message.data)
            if message.type == aiohttp.WSMsgType.PONG:
                self._exchange.receive_pong(socket)
            if message.type != aiohttp.WSMsgType.TEXT:
                continue
            reply = self._exchange.receive(socket, message.data, self._player.broker_ns(), tape_ms)
            self._player.answers.acknowledge(outbox, reply)
