"""The connection to Redis: order, deadlines, failures."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import hiredis
import pytest
import uvloop
from tests.servers import redis_stand
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.store_peer import StorePeer, echo, store_peer
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters import redis_link
from veritape.gateway.adapters.redis_address import RedisAddress, parse_redis_url
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.server_link import StoreError


@asynccontextmanager
async def linked(to: StorePeer, deadline_s: float = 5, query: str = "") -> AsyncIterator[RedisLink]:
    link = RedisLink(parse_redis_url(f"redis://{query}127.0.0.1:{to.port}/3"), deadline_s)
    running = asyncio.create_task(link.run())
    await asyncio.wait_for(link.connected.wait(), PATIENCE_S)
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_answers_come_in_order_whatever_a_turn_asks() -> None:
    """GW-261: a hundred calls of one turn, each gets its own answer."""
    async with store_peer(echo) as one, linked(one, query="user:pass%40word@") as link:
        answers = await asyncio.gather(*(link.call([b"ECHO", b"%d" % n]) for n in range(100)))
        assert answers == [b"%d" % n for n in range(100)]
        assert one.commands[:2] == [[b"AUTH", b"user", b"pass@word"], [b"SELECT", b"3"]]


@pytest.mark.parametrize(("calls", "writes"), [(1, 1), (16, 1), (17, 2), (40, 3)])
async def test_calls_of_a_turn_leave_in_few_writes(calls: int, writes: int) -> None:
    """GW-261: all in one write, or sixteen at a time, of which the first leave before the turn is over."""
    async with store_peer(echo) as one, linked(one) as link:
        written = list[bytes]()
        write = link._transport.write  # type: ignore[union-attr]

        def count(octets: bytes) -> None:
            written.append(octets)
            write(octets)

        link._transport.write = count  # type: ignore[union-attr, method-assign]
        waiting = [link.call([b"ECHO", b"%d" % n]) for n in range(calls)]
        assert len(written) == calls // 16
        await asyncio.gather(*waiting)
        assert (len(written), b"".join(written).count(b"ECHO")) == (writes, calls)


async def test_an_error_is_an_answer() -> None:
    """GW-262: what Redis refuses is told; the connection stays."""
    async with store_peer(lambda _: b"-READONLY no\r\n") as one, linked(one) as link:
        answer = await link.call([b"SET", b"a", b"b"])
        assert isinstance(answer, hiredis.ReplyError)
        assert link.connects == 1


async def test_a_silent_store_fails_all_that_wait_together_and_is_left() -> None:
    """GW-262: no answer within the deadline closes the connection; nothing is sent again; a new connection comes."""
    silent = True
    async with (
        store_peer(lambda command: None if silent else echo(command)) as one,
        linked(one, 0.5) as link,
    ):
        waiting = [link.call([b"ECHO", b"%d" % n]) for n in range(3)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(error) for error in found] == ["the store did not answer in 500 ms"] * 3
        with pytest.raises(StoreError, match="is not connected"):
            await link.call([b"PING"])
        silent = False
        await asyncio.wait_for(link.connected.wait(), PATIENCE_S)
        assert await link.call([b"ECHO", b"again"]) == b"again"
        assert [command for command in one.commands if command[0] == b"ECHO"][3:] == [[b"ECHO", b"again"]]


async def test_each_call_has_its_own_deadline() -> None:
    """GW-262: an answer to the first call gives the second no more time."""
    answered = []

    def first_only(command: list[bytes]) -> bytes | None:
        answered.append(command)
        return echo(command) if len(answered) == 1 else None

    async with store_peer(first_only) as one, linked(one, 0.5) as link:
        assert await link.call([b"ECHO", b"1"]) == b"1"
        await asyncio.sleep(0.3)
        began = asyncio.get_running_loop().time()
        with pytest.raises(StoreError, match="did not answer"):
            await link.call([b"ECHO", b"2"])
        assert asyncio.get_running_loop().time() - began >= 0.49


@pytest.mark.parametrize("octets", [b"garbage\r\n", b"+OK\r\n+TWICE\r\n"])
async def test_what_is_no_answer_closes_the_connection(octets: bytes) -> None:
    """GW-262: bytes that are not the protocol, and an answer to nothing."""
    async with store_peer(lambda _: octets) as one, linked(one) as link:
        with contextlib.suppress(StoreError):
            await link.call([b"PING"])
        await asyncio.sleep(0.02)
        with pytest.raises(StoreError):
            await link.call([b"PING"])


async def test_the_waiting_room_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-262: the newcomer fails, who waits is served."""
    monkeypatch.setattr(redis_link, "WAITING_LIMIT", 2)
    async with store_peer(echo) as one, linked(one) as link:
        waiting = [link.call([b"ECHO", b"%d" % n]) for n in range(3)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert found[:2] == [b"0", b"1"]
        assert str(found[2]) == "the store has too many calls waiting"


async def test_a_caller_that_left_does_not_disturb_the_order() -> None:
    """GW-261: its answer is dropped, the next call gets its own."""
    async with store_peer(echo) as one, linked(one) as link:
        left = link.call([b"ECHO", b"left"])
        kept = link.call([b"ECHO", b"kept"])
        left.cancel()
        assert await kept == b"kept"


async def test_a_store_that_refuses_us_is_tried_again() -> None:
    """GW-262: a wrong password shows as no connection, and the password is in no message."""
    link = RedisLink(RedisAddress("127.0.0.1", 1, "", False, "", "secret", 0), 0.1)
    running = asyncio.create_task(link.run())
    await asyncio.sleep(0.2)
    with pytest.raises(StoreError) as caught:
        await link.call([b"PING"])
    assert "secret" not in str(caught.value)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def be_busy(ours: socket.socket) -> None:
    """Hold the loop among its sockets, once."""
    ours.recv(1)
    time.sleep(1)


def test_an_answer_that_was_there_in_time_is_read_however_busy_the_loop_was(tmp_path: Path) -> None:
    """GW-262: timers of uvloop come before its sockets; a busy worker is no silent store."""

    async def ask(server: RedisProcess) -> object:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with redis_stand.linked(server, 0.5) as link:
                answer = link.call([b"BLPOP", b"nothing", b"0.1"])
                await asyncio.sleep(0)  # the connection writes
                loop.add_reader(ours, be_busy, ours)
                theirs.send(b"!")
                found = await answer
                loop.remove_reader(ours)
                return found

    with redis_process(tmp_path) as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask(server)) is None


async def test_a_call_that_became_late_since_it_was_looked_for_is_looked_for_once_more() -> None:
    """GW-262: the sockets were read in between, when it was not late: its answer may be there by now."""
    async with (
        store_peer(lambda command: None if command[0] == b"ECHO" else echo(command)) as one,
        linked(one, 0.3) as link,
    ):
        answer = link.call([b"ECHO", b"x"])
        await asyncio.sleep(0)
        due_s = link._written[-1][0]
        time.sleep(0.4)  # noqa: ASYNC251 - the turn is long
        link._give_up(due_s - 0.1)
        assert not answer.done()
        link._give_up(due_s)
        with pytest.raises(StoreError, match="did not answer"):
            await answer


BUSY_TURNS = 3
"""A call of each but the last becomes late in the turn after it."""


class Busy(asyncio.Protocol):
    """Holds the loop among its sockets for some turns, one after the other, and asks the store at the beginning of each."""

    def __init__(self, link: RedisLink, calls: int, again: socket.socket) -> None:
        self.link, self.calls, self.again = link, calls, again
        self.asked: list[asyncio.Future[object]] = []
        self.turns = 0

    def data_received(self, data: bytes) -> None:
        """Ask, then work for longer than the store may take."""
        del data
        self.asked.append(self.link.call([b"BLPOP", b"nothing", b"0.1"]))
        self.asked += [self.link.call([b"ECHO", b"x"]) for _ in range(self.calls - 1)]
        time.sleep(1)
        self.turns += 1
        if self.turns < BUSY_TURNS:
            self.again.send(b"!")  # behind the answers that came meanwhile: those are read first


@pytest.mark.parametrize("calls", [1, 16, 17])
def test_a_call_has_its_time_from_the_end_of_a_busy_turn(tmp_path: Path, calls: int) -> None:
    """GW-262: what the loop works before a call leaves, and while its answer waits to be read, is no delay of the store's."""

    async def ask(server: RedisProcess) -> list[object]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        async with redis_stand.linked(server, 0.5) as link:
            loop, busy = asyncio.get_running_loop(), Busy(link, calls, theirs)
            transport, _ = await loop.create_connection(lambda: busy, sock=ours)
            with theirs:
                theirs.send(b"!")
                while busy.turns < BUSY_TURNS:
                    await asyncio.sleep(0.01)
                found = await asyncio.gather(*busy.asked)
                transport.close()
                return found

    with redis_process(tmp_path) as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask(server)) == ([None] + [b"x"] * (calls - 1)) * BUSY_TURNS


def test_it_runs_on_the_loop_that_serves() -> None:
    """GW-261: uvloop's transports are taken too."""

    async def ask() -> object:
        async with store_peer(echo) as one, linked(one) as link:
            return await link.call([b"ECHO", b"x"])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask()) == b"x"
