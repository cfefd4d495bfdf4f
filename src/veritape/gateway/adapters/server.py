"""The HTTP server of one gateway process: uvicorn with httptools and uvloop, on a socket that we bind (GW-551, GW-558)."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, cast

import uvicorn

from veritape.gateway.adapters.application import Gateway
from veritape.gateway.adapters.client import Application
from veritape.gateway.adapters.client_line import KnownHeads
from veritape.gateway.adapters.front_door import OpenDoor
from veritape.gateway.adapters.request_protocol import Door, RequestProtocol
from veritape.gateway.adapters.turn import Serve, Turn
from veritape.gateway.adapters.way import Way, in_task

KEEP_ALIVE_S: Final = 30
"""Seconds that an idle connection is kept (GW-553)."""

ACCEPTED: Final = 16
"""Connections that are accepted in one turn of the loop. libuv takes one a turn of each listening descriptor; a busy loop, whose turns
are long, would let new clients wait for those who came before them."""

CUT_S: Final = 2.0
"""Longest time that requests cut off at the end have to say so."""


class _Server(uvicorn.Server):
    """uvicorn that says when it listens, without its signal handling: it would end the process by the signal in place of exit status 0."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None] = lambda: None) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._listening()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_beside(application: Application, listener: socket.socket) -> None:
    """Serve until cancelled, without a hand on signals; what is in progress then is cut off."""
    server = _Server(server_config(application, 1, OpenDoor()))
    running = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(running)
    finally:
        server.should_exit = server.force_exit = True
        await running


def server_config(application: Application, drain_s: int, door: Door) -> uvicorn.Config:
    """Return how uvicorn serves an application behind a door."""
    known = KnownHeads()
    protocol: Any = partial(RequestProtocol, door=door, serve=served_by(application), known=known)
    return uvicorn.Config(
        application, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S, timeout_graceful_shutdown=drain_s, proxy_headers=False,
    )  # fmt: skip


def served_by(application: Application) -> Serve:
    """Return how an application takes a turn: the gateway as it is, any other as ASGI has it."""
    if isinstance(application, Gateway):
        return application.serve

    async def serve(turn: Turn) -> None:
        await in_task()  # it may ask which task runs
        await application(turn.scope, turn.receive, turn.send)

    return serve


async def _cut(ways: Iterable[Way]) -> None:
    """Cancel what is not finished, and let it tell its client: what stands behind the requests ends after this."""
    unfinished = [way.task() for way in ways if not way.is_over]
    for task in unfinished:
        if not task.cancelling():
            task.cancel()
    if unfinished:
        await asyncio.wait(unfinished, timeout=CUT_S)


async def serve(
    application: Application, listener: socket.socket, drain_s: int, on_reload: Callable[[], None],
    *, door: Door | None = None, drain_delay_s: int = 0, on_drain: Callable[[], None] = lambda: None,
    begun: Callable[[], Awaitable[None]] | None = None, listening: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Serve until SIGINT or SIGTERM, finish what is in progress, return. A second signal ends at once.

    Args:
        application: the gateway.
        listener: bound; it is closed at the end.
        drain_s: seconds that requests in progress have.
        on_reload: called on SIGHUP.
        door: who may connect; everybody when not given.
        drain_delay_s: seconds from the signal until no connection is accepted, so that a balancer sees ``/ready``.
        on_drain: called at the signal.
        begun: returns when the application can answer; nothing is accepted before.
        listening: called once connections are accepted: who connects before may be refused.
    """
    server = _Server(server_config(application, drain_s, door or OpenDoor()), listening)
    loop = asyncio.get_running_loop()

    ending: list[asyncio.TimerHandle] = []

    def stop() -> None:
        server.should_exit = True

    def end() -> None:
        if ending:
            server.force_exit = server.should_exit = True
            return
        on_drain()
        ending.append(loop.call_later(drain_delay_s, stop))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    loop.add_signal_handler(signal.SIGHUP, on_reload)
    listeners = [listener]
    try:
        if begun is not None:
            await begun()
        listeners += [listener.dup() for _ in range(ACCEPTED - 1)]
        await server.serve(sockets=listeners)
        await _cut(cast("set[Way]", server.server_state.tasks))
    finally:
        for accepting in (
            *getattr(server, "servers", ()),
            *listeners,
        ):  # uvicorn closes them unless it is cancelled
            accepting.close()
        for timer in ending:
            timer.cancel()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
