"""What every connection to one server has."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from veritape.gateway.adapters.redis_address import RedisAddress, parse_redis_url
from veritape.gateway.adapters.server_link import (
    JITTER,
    RECONNECT_S,
    ServerLink,
    StoreError,
    let_go,
    reconnect_s,
)

ADDRESS = parse_redis_url("redis://127.0.0.1:6379/3")


class Kept(ServerLink):
    """Keeps what it should send."""

    sent = b""

    async def run(self) -> None:
        """Do nothing."""

    def send(self, command: bytes) -> "asyncio.Future[Any]":
        """Keep a command; nobody answers."""
        self.sent += command
        return asyncio.get_running_loop().create_future()


async def test_a_call_is_a_command_of_the_protocol_to_one_server() -> None:
    """GW-261: words are packed; the link is the one server that it leads to, and that is not there yet."""
    link = Kept(ADDRESS, 0.025)
    link.call([b"ECHO", b"a b"])
    assert link.sent == b"*2\r\n$4\r\nECHO\r\n$3\r\na b\r\n"
    assert (link.servers, link.connected.is_set(), link.connects) == ((link,), False, 0)
    assert link._late == "did not answer in 25 ms"


@pytest.mark.parametrize(("full", "why"), [(True, "has too many calls waiting"), (False, "is not connected")])
async def test_who_is_turned_away_is_told_why(*, full: bool, why: str) -> None:
    """GW-262: the waiting room is full, or there is no connection."""
    assert str(Kept(ADDRESS, 1)._turned_away(full=full)) == f"the store {why}"


async def test_the_address_is_asked_for_each_time() -> None:
    """GW-263: where somebody knows better than the settings, he is asked before each attempt."""
    moved = iter([ADDRESS._replace(port=1), ADDRESS._replace(port=2)])

    async def locate() -> RedisAddress:
        return next(moved)

    assert await Kept(ADDRESS, 1)._located() == ADDRESS
    link = Kept(ADDRESS, 1, locate)
    assert [(await link._located()).port for _ in range(2)] == [1, 2]


def test_attempts_become_rarer() -> None:
    """GW-262: 50, 100, 200, 400 ms, then each 500 ms, give or take a fifth."""
    assert all(before < after for before, after in pairwise(RECONNECT_S))
    for attempt, seconds in enumerate((*RECONNECT_S, RECONNECT_S[-1])):
        drawn = [reconnect_s(attempt) for _ in range(200)]
        assert (1 - JITTER) * seconds <= min(drawn) < max(drawn) <= (1 + JITTER) * seconds


async def test_a_failure_that_nobody_waits_for_is_looked_at() -> None:
    """GW-262: its loss is no news; a cancelled answer has none."""
    failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    failed.set_exception(StoreError("planted"))
    left: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    left.cancel()
    for one in (failed, left):
        one.add_done_callback(let_go)
    await asyncio.sleep(0)
    assert failed.done()
