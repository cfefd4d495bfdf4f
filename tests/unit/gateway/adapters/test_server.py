"""The HTTP server: addresses, ports, bytes that are no request, signals."""

import asyncio
import json
import os
import signal
import socket
from itertools import pairwise
from pathlib import Path

import pytest
import uvloop
from tests.ports import KeptPort
from tests.servers.gateway_world import World
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.front_door import OpenDoor
from veritape.gateway.adapters.server import serve
from veritape.kernel.addresses import Address
from veritape.kernel.listeners import bind


async def ask(port: int, octets: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(octets)
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    "octets",
    [
        b"no http\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_request_get_a_problem(tmp_path: Path, octets: bytes) -> None:
    """GW-507, GW-551: 400 ``bad_request`` as a problem document, and the connection is closed."""
    world = World(tmp_path)
    listener = bind(Address("127.0.0.1", 0))
    port = listener.getsockname()[1]
    task = asyncio.ensure_future(serve(world.gateway, listener, 1, lambda: None))
    await asyncio.sleep(0)  # it begins: signals are its own
    answer = await ask(port, octets)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, PATIENCE_S)
    world.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["reason"] == "bad_request"


async def test_who_cancels_the_server_leaves_no_socket_open(tmp_path: Path) -> None:
    """GW-558: the duplicates of the listener end with it, and the port is free again."""
    world, kept = World(tmp_path), KeptPort()
    task = asyncio.ensure_future(
        serve(world.gateway, bind(Address("127.0.0.1", kept.number)), 1, lambda: None)
    )
    await asyncio.sleep(0)
    assert b"200 OK" in await ask(
        kept.number, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    world.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", kept.number)) != 0
    kept.close()


async def test_signals_end_and_reload(tmp_path: Path) -> None:
    """GW-104, GW-558: SIGHUP asks for a reload; SIGINT ends, and the port is free again."""
    world, asked, kept = World(tmp_path), asyncio.Event(), KeptPort()
    port = kept.number
    listener = bind(Address("127.0.0.1", port))
    task = asyncio.ensure_future(serve(world.gateway, listener, 1, asked.set))
    await asyncio.sleep(0)  # it begins: signals are its own
    os.kill(os.getpid(), signal.SIGHUP)
    await asyncio.wait_for(asked.wait(), PATIENCE_S)
    assert b"200 OK" in await ask(port, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.wait_for(task, PATIENCE_S)
    world.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    kept.close()


def test_a_busy_loop_lets_new_clients_in(tmp_path: Path) -> None:
    """GW-551, GW-381: libuv takes one connection of a descriptor in a turn; whose turns are long would serve only those who came before."""
    turns, count = list[int](), 64

    async def busy() -> None:
        world, listener = World(tmp_path), bind(Address("127.0.0.1", 0))
        asking = [socket.socket() for _ in range(count)]
        for one in asking:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        door = CountingDoor()
        task = asyncio.ensure_future(serve(world.gateway, listener, 1, lambda: None, door=door))
        while door.inside < count:
            await asyncio.sleep(0)
            turns.append(door.inside)
        for one in asking:
            one.close()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, PATIENCE_S)
        world.close()

    uvloop.run(busy())
    assert max(after - before for before, after in pairwise(turns)) > 1


class CountingDoor(OpenDoor):
    """Counts who came in."""

    inside = 0

    def enter(self, host: str | None) -> str | None:
        """Count."""
        self.inside += 1
        return super().enter(host)


async def test_nobody_is_let_in_before_the_application_can_answer(tmp_path: Path) -> None:
    """GW-341, GW-551: a worker's port is not open before, and is when it is said to be; a signal meanwhile ends it all the same."""
    world, asked, let, told = World(tmp_path), asyncio.Event(), asyncio.Event(), asyncio.Event()
    found: list[int] = []

    async def begun() -> None:
        asked.set()
        await let.wait()

    listener = bind(Address("127.0.0.1", 0), shared=True, listening=False)
    port = listener.getsockname()[1]

    def listening() -> None:
        with socket.socket() as probe:
            found.append(probe.connect_ex(("127.0.0.1", port)))
        told.set()

    task = asyncio.ensure_future(
        serve(world.gateway, listener, 1, lambda: None, begun=begun, listening=listening)
    )
    await asyncio.wait_for(asked.wait(), PATIENCE_S)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert not told.is_set()
    let.set()
    await asyncio.wait_for(told.wait(), PATIENCE_S)
    assert found == [0]
    answer = await ask(port, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b"200 OK" in answer
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, PATIENCE_S)

    let.clear()
    with bind(Address("127.0.0.1", 0)) as other:
        asked.clear()
        task = asyncio.ensure_future(serve(world.gateway, other, 1, lambda: None, begun=begun))
        await asyncio.wait_for(asked.wait(), PATIENCE_S)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        let.set()
        await asyncio.wait_for(task, PATIENCE_S)
    world.close()


def test_small_pieces_are_sent_at_once() -> None:
    """GW-554: no answer waits for the acknowledgement of its head (Nagle); accepted sockets inherit it."""
    with bind(Address("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.connect(listener.getsockname())
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
